"""Small networks of the usual kinds, written the usual way, for the tests of the finder."""

import torch
import torch.nn.functional as F
from torch import nn


class ConvNet(nn.Sequential):
    """Four bias-free 3x3 convolutions with BatchNorm and a frozen last layer, for 32x32 images."""

    def __init__(self, width=4, eps=1e-5):
        layers = []
        widths = [3, width, 2 * width, 4 * width, 8 * width]
        for depth in range(4):
            layers += [
                nn.Conv2d(widths[depth], widths[depth + 1], 3, padding=1, bias=False),
                nn.BatchNorm2d(widths[depth + 1], affine=False, eps=eps),
                nn.ReLU(),
            ]
            layers += [nn.MaxPool2d(2)] if depth else []
        super().__init__(*layers, nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8 * width, 10))
        self[-1].requires_grad_(False)


class Block(nn.Module):
    """Pre-activation block; the shortcut of a new stage is a convolution of its own BatchNorm."""

    def __init__(self, n_in, n_out, stride, affine):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in, affine=affine)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out, affine=affine)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.shortcut = nn.Identity()
        if n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.BatchNorm2d(n_in, affine=affine), nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            )

    def forward(self, x):
        inner = self.conv1(F.relu(self.bn1(x)))
        return self.conv2(F.relu(self.bn2(inner))) + self.shortcut(x)


class PreActResNet18(nn.Module):
    def __init__(self, width=4, *, affine, train_last):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.Sequential()
        for stage in range(4):
            n_in, n_out = widths[stage], widths[stage + 1]
            self.blocks.append(Block(n_in, n_out, 2 if stage else 1, affine))
            self.blocks.append(Block(n_out, n_out, 1, affine))
        self.bn = nn.BatchNorm2d(8 * width, affine=affine)
        self.last = nn.Linear(8 * width, 10, bias=False).requires_grad_(train_last)

    def forward(self, x):
        return self.last(F.relu(self.bn(self.blocks(self.stem(x)))).mean((2, 3)))


class Transformer(nn.Module):
    """Pre-norm transformer over tokens with a final norm; optionally queries, keys normalised."""

    def __init__(self, n_blocks=2, width=16, heads=2, *, affine, qk_norm=False, bias=True):
        super().__init__()
        self.embedding = nn.Embedding(11, width)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, affine, qk_norm, bias) for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=affine)
        self.last = nn.Linear(width, 5)

    def forward(self, tokens):
        stream = self.embedding(tokens)
        for block in self.blocks:
            stream = block(stream)
        return self.last(self.norm(stream))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads, affine, qk_norm, bias):
        super().__init__()
        self.heads, self.qk_norm = heads, qk_norm
        self.norm1 = nn.LayerNorm(width, elementwise_affine=affine)
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=bias) for _ in range(4)
        )
        self.norm2 = nn.LayerNorm(width, elementwise_affine=affine)
        self.up = nn.Linear(width, 2 * width, bias=bias)
        self.down = nn.Linear(2 * width, width, bias=bias)

    def forward(self, stream):
        normal = self.norm1(stream)
        query, key, value = (
            part(normal).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        if self.qk_norm:
            query, key = (F.rms_norm(x, x.shape[-1:], eps=1e-6) for x in (query, key))
        mixed = F.scaled_dot_product_attention(query, key, value)
        stream = stream + self.out(mixed.transpose(1, 2).flatten(2))
        return stream + self.down(F.gelu(self.up(self.norm2(stream))))


def tokens(batch=8, length=6):
    return torch.randint(11, (batch, length), generator=torch.Generator().manual_seed(0))


def images(batch=8, size=32):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
