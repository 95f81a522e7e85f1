"""The finder's table for five kinds of networks.

    python -m pytest tests/empirical/test_invariance_table.py -s

prints the evidence for each parameter.
"""

import functools

import pytest
import torch
from torchvision import models

from empirical.invariance.search import scale_invariant_parameters
from empirical.networks import architectures

from ..example_networks import Transformer, images, tokens
from .test_search import joint, verdicts

# What is trained, what of it is scale-invariant, in how many groups of tensors that must be
# scaled together, and how many tensors are invariant alone; counted on paper.
CONVOLUTIONS = 216 + 2_304 + 8_192 + 32_768 + 131_072  # stem and stages of ResNet-18 at c = 8
GAINS = 2 * (32 + 64 + 128 + 256 + 64)  # of stages and the last norm, with their biases
HEAD = 640 + 2 * 64  # the last layer and the norm before it, which it feels
# Gains in the first stage, written over by the stem; shortcut biases, which every norm removes.
UNUSED = 32 + 56
STREAM = 11 * 16 + 2 * (272 + 528)  # embedding, and what each block writes, with biases
EXPECTED = {
    "ConvNet, c = 32": (387_936, 387_936, 0, 4),
    "ResNet-18, scale-invariant, c = 8": (CONVOLUTIONS, CONVOLUTIONS, 4, 8),
    "ResNet-18, all trained, c = 8": (
        CONVOLUTIONS + GAINS + 640,
        CONVOLUTIONS + GAINS + 640 - HEAD - UNUSED,
        4 + 8 + 3,
        8,
    ),
    "transformer, pre-norm": (4_741, STREAM, 1, 0),
    "transformer, QK-norm": (4_517, STREAM - 2 * 32 + 4 * 256, 1, 4),
    # without the last layer and the six tensors that write what it reads
    "torchvision ResNet-18": (11_689_512, 11_689_512 - 513_000 - 6 * 512, 3 + 8, 20),
}


def build(name):
    torch.manual_seed(0)
    if name.startswith("ConvNet"):
        return architectures.convnet(32, (3, 32, 32), 10), images()
    if name.startswith("ResNet"):
        return architectures.resnet18(8, (3, 32, 32), 10, all_trained="all" in name), images()
    if name.startswith("transformer"):
        qk_norm = "QK" in name
        return Transformer(affine=True, qk_norm=qk_norm, bias=not qk_norm), tokens()
    return models.resnet18(), images()


@functools.cache
def searched(name):
    return scale_invariant_parameters(*build(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_table(name):
    found = searched(name)
    print(f"\n{name}\n{found}")
    trained = sum(one.n_weights for one in found.records if one.trained)
    invariant = sum(one.n_weights for one in found.records if one.name in found.names)
    groups = [unit for unit in found.units if len(unit) > 1]
    alone = len(found.units) - len(groups)
    assert (trained, invariant, len(groups), alone) == EXPECTED[name]


def test_torchvision_resnet18():
    found = searched("torchvision ResNet-18")
    convolutions = {name for name in verdicts(found) if "conv" in name or "downsample.0" in name}
    alone = {name for name, verdict in verdicts(found).items() if verdict == "invariant"}
    assert alone == convolutions
    stream = {"bn1.weight", "bn1.bias"}
    stream |= {f"layer1.{i}.bn2.{part}" for i in (0, 1) for part in ("weight", "bias")}
    assert stream in joint(found)
    assert {frozenset({"layer1.0.bn1.weight", "layer1.0.bn1.bias"})} <= joint(found)
    for name in ("layer4.1.bn2.weight", "layer4.0.downsample.1.weight", "fc.weight"):
        assert verdicts(found)[name] == "not invariant"
