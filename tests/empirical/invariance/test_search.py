"""The finder against networks whose symmetries are known on paper."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from empirical.device import machine
from empirical.invariance.joint_groups import joint_groups
from empirical.invariance.search import scale_invariant_parameters

from ..example_networks import ConvNet, PreActResNet18, Transformer, images, tokens


@pytest.fixture(autouse=True)
def _same_initialisation_every_time():
    torch.manual_seed(0)


def verdicts(found):
    return {one.name: one.verdict for one in found.records}


def joint(found):
    return {frozenset(group.names) for group in found.groups}


def stage(number, names):
    """Names within the two blocks of a stage of the pre-activation ResNet."""
    return frozenset(f"blocks.{2 * number + int(name[0])}.{name[2:]}" for name in names)


WRITERS = [
    frozenset({"stem.weight"}) | stage(0, ["0.conv2.weight", "1.conv2.weight"]),
    *(stage(s, ["0.conv2.weight", "0.shortcut.1.weight", "1.conv2.weight"]) for s in (1, 2, 3)),
]


def test_convolutions_before_batch_norm_are_invariant_row_by_row():
    found = scale_invariant_parameters(ConvNet(), images())
    assert found.names == ("0.weight", "3.weight", "7.weight", "11.weight")
    assert {one.unit for one in found.records if one.trained} == {"row"}
    assert found.groups == ()
    assert verdicts(found)["17.weight"] == "not invariant"
    assert not found.records[-1].trained


@pytest.mark.parametrize("eps", [1e-5, 1e-4])
def test_the_evidence_shows_what_an_epsilon_breaks(eps):
    class Normalised(nn.Linear):
        def forward(self, x):
            y = super().forward(x)
            return (y - y.mean(0)) / (y.var(0, correction=0) + eps).sqrt()

    x = torch.randn(12, 6)
    (record,) = scale_invariant_parameters(Normalised(6, 1, bias=False), x).records
    # halving the weights: sqrt((v + eps) / (v + 4 eps)) = 1 - 3 eps / (2 v) for one output
    variance = 3 * eps / 2 / record.change
    assert record.verdict == "invariant"
    assert 0.05 < variance < 5  # weights uniform in +-1/sqrt(6), moved by a third


def test_beyond_tolerance_the_epsilon_is_blamed():
    found = scale_invariant_parameters(ConvNet(eps=1.0), images())
    assert verdicts(found)["0.weight"] == "broken by epsilon"
    assert found.names == ()


@pytest.mark.slow
def test_residual_stream_without_affine():
    found = scale_invariant_parameters(PreActResNet18(affine=False, train_last=False), images())
    assert joint(found) == set(WRITERS)
    alone = {name for name, verdict in verdicts(found).items() if verdict == "invariant"}
    assert alone == {f"blocks.{i}.conv1.weight" for i in range(8)}
    assert "last.weight" not in found.names
    assert len(found.units) == 8 + 4


@pytest.mark.slow
def test_residual_stream_with_affine_and_trained_last_layer():
    found = scale_invariant_parameters(PreActResNet18(affine=True, train_last=True), images())
    # a norm's gain and bias before a normalised convolution, and those of the second norms with
    # the shortcut's gain, which scale a stage as its second convolutions do
    pairs = {frozenset({f"blocks.{i}.bn1.weight", f"blocks.{i}.bn1.bias"}) for i in range(8)}
    gains = ["0.bn2.weight", "0.bn2.bias", "0.shortcut.0.weight", "1.bn2.weight", "1.bn2.bias"]
    assert joint(found) == {*WRITERS, *pairs, *(stage(s, gains) for s in (1, 2, 3))}
    assert {verdicts(found)[name] for name in ("bn.weight", "bn.bias", "last.weight")} == {
        "not invariant"
    }
    # constant over space and examples, it is removed by every norm that reads the stage
    assert verdicts(found)["blocks.2.shortcut.0.bias"] == "no effect"


def test_a_bias_before_batch_norm_has_no_effect_even_at_zero():
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5, affine=False), nn.ReLU())
    nn.init.zeros_(model[0].bias)
    found = scale_invariant_parameters(model, torch.randn(12, 6))
    assert verdicts(found) == {"0.weight": "invariant", "0.bias": "no effect"}
    assert found.names == ("0.weight",)


def test_weight_and_bias_before_layer_norm_only_together():
    model = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5, elementwise_affine=False), nn.ReLU())
    nn.init.zeros_(model[0].bias)
    found = scale_invariant_parameters(model, torch.randn(12, 6))
    assert joint(found) == {frozenset({"0.weight", "0.bias"})}
    bare = nn.Sequential(nn.Linear(6, 5, bias=False), nn.LayerNorm(5, elementwise_affine=False))
    (record,) = scale_invariant_parameters(bare, torch.randn(12, 6)).records
    assert (record.verdict, record.unit) == ("invariant", "tensor")


STREAM = frozenset(
    {
        "embedding.weight",
        *(f"blocks.{i}.{part}" for i in (0, 1) for part in ("out.weight", "out.bias")),
        *(f"blocks.{i}.{part}" for i in (0, 1) for part in ("down.weight", "down.bias")),
    }
)


@pytest.mark.parametrize("affine", [False, True])
def test_pre_norm_transformer(affine):
    found = scale_invariant_parameters(Transformer(affine=affine), tokens())
    assert joint(found) == {STREAM}
    assert verdicts(found)["blocks.0.key.bias"] == "no effect"  # softmax does not feel it
    assert set(found.names) == STREAM


def test_query_key_norm():
    found = scale_invariant_parameters(Transformer(affine=True, qk_norm=True, bias=False), tokens())
    alone = {name for name, verdict in verdicts(found).items() if verdict == "invariant"}
    assert alone == {f"blocks.{i}.{part}.weight" for i in (0, 1) for part in ("query", "key")}
    assert joint(found) == {frozenset(name for name in STREAM if "bias" not in name)}


def test_a_frozen_writer_leaves_no_group():
    model = Transformer(affine=False)
    model.embedding.requires_grad_(False)
    found = scale_invariant_parameters(model, tokens())
    assert found.names == ()
    assert found.groups == ()


def test_weight_normalisation():
    model = nn.Sequential(
        torch.nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), nn.Tanh(), nn.Linear(5, 2)
    )
    found = scale_invariant_parameters(model, torch.randn(12, 6))
    assert found.names == ("0.parametrizations.weight.original1",)


def test_networks_that_feel_every_scale():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    found = scale_invariant_parameters(model, torch.randn(12, 6))
    assert set(verdicts(found).values()) == {"not invariant"}
    assert min(one.change for one in found.records) > 1e-2


def test_the_network_is_left_as_it_was():
    model = nn.Sequential(ConvNet(), nn.Dropout(0.5)).eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    found = scale_invariant_parameters(model, images())
    assert torch.equal(torch.get_rng_state(), random)
    assert not model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [p.requires_grad for p in model.parameters()] == [True] * 4 + [False] * 2
    assert len(found.names) == 4  # dropout drops the same in both evaluations


def test_single_precision_where_double_fails():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(5, 6))
            self.last = nn.Linear(5, 3)

        def forward(self, x):
            if x.dtype != torch.float32:
                raise RuntimeError("float32 only")
            return self.last(F.layer_norm(x @ self.weight.T, (5,)))

    found = scale_invariant_parameters(Single(), torch.randn(12, 6))
    assert found.names == ("weight",)


def test_mappings_and_keywords_are_understood():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(6, 5)

        def forward(self, *, x):
            return {"n": 3, "parts": [F.batch_norm(self.inner(x), None, None, training=True)]}

    found = scale_invariant_parameters(Model(), (), keywords={"x": torch.randn(12, 6)})
    assert found.names == ("inner.weight",)


def test_outputs_without_gradient_are_refused():
    class Model(nn.Linear):
        def forward(self, x):
            return super().forward(x).argmax(1)

    with pytest.raises(ValueError, match="outputs hold no floating-point tensor"):
        scale_invariant_parameters(Model(6, 5), torch.randn(12, 6))


@pytest.mark.slow
def test_the_table_is_readable():
    text = str(scale_invariant_parameters(PreActResNet18(affine=False, train_last=False), images()))
    assert text.startswith("43692 of 43692 trained weights are scale-invariant")
    assert "last.weight" in text
    assert "not invariant, frozen" in text
    assert "stem.weight, blocks.0.conv2.weight, blocks.1.conv2.weight" in text


def test_groups_are_minimal_and_the_largest_of_alternatives_counts():
    # columns a, b, c, d, e with a + b = 0, and d + e = 0 = c - d: either {d, e} or {c, e}
    rng = np.random.default_rng(0)
    a, d = rng.normal(size=(2, 9))
    radial = np.stack([a, -a, 3 * d, d * 3, -3 * d, rng.normal(size=9)], axis=1)
    sizes = np.array([2.0, 2, 9, 5, 1, 50])
    assert joint_groups(radial, [sizes]) == [[0, 1], [2, 4]]
    sizes[3] = 10
    assert joint_groups(radial, [sizes]) == [[0, 1], [3, 4]]


def test_a_gpu_computes_products_in_float32_while_it_searches(monkeypatch):
    seen = set()

    class Watching(nn.Sequential):
        def forward(self, x):
            seen.add((cudnn.conv.fp32_precision, cuda.matmul.fp32_precision))
            with cudnn.flags(enabled=False):  # reads the older switch
                return super().forward(x)

    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    if not hasattr(cudnn, "conv"):
        pytest.skip("torch is older than this switch")
    before = cudnn.conv.fp32_precision, cuda.matmul.fp32_precision
    assert before[0] == "tf32"  # else the search has nothing to set
    model = Watching(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    plain = scale_invariant_parameters(model, images())
    assert seen == {before}
    monkeypatch.setattr(machine, "uses_a_gpu", lambda: True)
    found = scale_invariant_parameters(model, images())
    assert "tf32" not in set.union(*map(set, seen - {before}))
    assert (cudnn.conv.fp32_precision, cuda.matmul.fp32_precision) == before
    assert cudnn.allow_tf32
    assert verdicts(found) == verdicts(plain)
