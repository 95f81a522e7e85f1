"""The architectures as ordinary torch modules, each with and without its scale-invariant form.

In the scale-invariant form every trained weight feeds a batch normalisation: no biases, no affine
parameters, and a last layer that is frozen at a fixed norm, for its growth would rescale the
logits. With ``all_trained`` the affine parameters and the last layer are trained too.

Source: Lobacheva et al. 2021 (arXiv 2106.15739), section 3 and appendix A.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAST_LAYER_NORM = 10.0


def _last_layer(width: int, n_classes: int, *, bias: bool, trained: bool) -> nn.Linear:
    """The classifier, at Frobenius norm 10; frozen unless it is trained."""
    layer = nn.Linear(width, n_classes, bias=bias)
    with torch.no_grad():
        layer.weight.mul_(LAST_LAYER_NORM / layer.weight.norm())
    return layer.requires_grad_(trained)


def without_normalisation(module: nn.Module) -> nn.Module:
    """Replace every batch normalisation inside a module by the identity, in place."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    return module


def mlp(widths: tuple[int, ...], *, all_trained: bool = False, eps: float = 1e-12) -> nn.Module:
    """Bias-free linear layers, each with BatchNorm and ReLU, then the last layer.

    Args:
        widths: pixels, hidden widths, classes.
        all_trained: train the affine parameters and the last layer too.
        eps: epsilon of the batch normalisation.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in pairwise(widths[:-1]):
        norm = nn.BatchNorm1d(n_out, eps=eps, affine=all_trained)
        layers += [nn.Linear(n_in, n_out, bias=False), norm, nn.ReLU()]
    last = _last_layer(widths[-2], widths[-1], bias=False, trained=all_trained)
    return nn.Sequential(*layers, last)


def convnet(
    width: int,
    image_shape: tuple[int, int, int],
    n_classes: int,
    *,
    all_trained: bool = False,
    eps: float = 1e-12,
) -> nn.Module:
    """Four 3x3 convolutions of c, 2c, 4c and 8c channels, then the last layer with a bias.

    Each convolution is followed by BatchNorm and ReLU, those after the first by a 2x2 max-pool,
    the last by one over all that is left (4x4 of a 32x32 image). 387 936 scale-invariant weights
    of norm about 12.65 at c = 32.

    Args:
        width: c.
        image_shape: channels, height and width, at least 8x8.
        n_classes: number of classes.
        all_trained: train the affine parameters and the last layer too.
        eps: epsilon of the batch normalisation.
    """
    layers: list[nn.Module] = []
    n_in = image_shape[0]
    for depth in range(4):
        n_out = width * 2**depth
        convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(n_out, eps=eps, affine=all_trained), nn.ReLU()]
        if depth > 0:
            layers.append(nn.MaxPool2d(2))
        n_in = n_out
    last = _last_layer(n_in, n_classes, bias=True, trained=all_trained)
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), last)


class PreActivationBlock(nn.Module):
    """BatchNorm, ReLU, convolution, twice; its input, or a 1x1 convolution of it, is added.

    A BatchNorm of its own stands before the shortcut's convolution, so that the block's output
    scales with this block's weights alone.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, **norm: Any) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in, **norm)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out, **norm)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            convolution = nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(nn.BatchNorm2d(n_in, **norm), convolution)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, n_in, height, width) to (n, n_out, height / stride, width / stride)."""
        active = F.relu(self.norm1(inputs))
        carried = inputs if self.shortcut is None else self.shortcut(active)
        hidden: Tensor = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return hidden + carried


def resnet18(
    width: int,
    image_shape: tuple[int, int, int],
    n_classes: int,
    *,
    all_trained: bool = False,
    eps: float = 1e-12,
) -> nn.Module:
    """Pre-activation ResNet-18: a stem, four stages of two blocks, the last layer without bias.

    Weights that write into the same residual stream, such as the second convolutions of a
    stage, are scale-invariant together, all others one by one. Squared initial norm about 25 c.

    Args:
        width: c, the channels of the first stage; 64 is the standard network.
        image_shape: channels, height and width.
        n_classes: number of classes.
        all_trained: train the affine parameters and the last layer too.
        eps: epsilon of the batch normalisation.
    """
    norm: dict[str, Any] = {"eps": eps, "affine": all_trained}
    layers: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 3, padding=1, bias=False)]
    n_in = width
    for stage in range(4):
        n_out = width * 2**stage
        layers.append(PreActivationBlock(n_in, n_out, 1 if stage == 0 else 2, **norm))
        layers.append(PreActivationBlock(n_out, n_out, 1, **norm))
        n_in = n_out
    last = _last_layer(n_in, n_classes, bias=False, trained=all_trained)
    head = [nn.BatchNorm2d(n_in, **norm), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last]
    return nn.Sequential(*layers, *head)
