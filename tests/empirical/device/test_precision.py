"""The switches of a GPU's arithmetic, which can be set and read without one."""

import pytest
import torch

from empirical.device import precision

cudnn, cuda, mkldnn = torch.backends.cudnn, torch.backends.cuda, torch.backends.mkldnn
GPU = torch.device("cuda")
pytestmark = pytest.mark.skipif(
    not hasattr(cuda.matmul, "fp32_precision"), reason="torch has the older switches only"
)
NEWER = (cudnn.conv, cudnn.rnn, cuda.matmul, mkldnn.matmul)
OLDER = (
    lambda: cudnn.allow_tf32,
    lambda: cuda.matmul.allow_tf32,
    torch.get_float32_matmul_precision,
)


def state():
    """What all switches say, None where torch refuses to read one."""
    said = [place.fp32_precision for place in NEWER]
    for read in OLDER:
        try:
            said.append(read())
        except RuntimeError:
            said.append(None)
    return said


def chosen(place, name, value):
    return lambda: setattr(place, name, value)


# what a user may have done before, and whether torch still reads the older switches
BEFORE = {
    "nothing": (lambda: None, True),
    "exact convolutions": (chosen(cudnn, "allow_tf32", False), True),
    "coarse products": (chosen(cuda.matmul, "allow_tf32", True), True),
    "high": (lambda: torch.set_float32_matmul_precision("high"), True),
    "medium": (lambda: torch.set_float32_matmul_precision("medium"), True),
    "newer, convolutions": (chosen(cudnn.conv, "fp32_precision", "ieee"), False),
    "newer, products": (chosen(cuda.matmul, "fp32_precision", "tf32"), False),
}


@pytest.fixture(params=BEFORE)
def readable(request):
    """Whether the older switches can be read after what a user did; all is put back."""
    before = state()
    assert None not in before
    do, readable = BEFORE[request.param]
    do()
    assert (None not in state()) == readable
    yield readable
    cudnn.allow_tf32 = before[4]
    torch.set_float32_matmul_precision(before[6])
    for place, value in zip(NEWER, before[:4], strict=True):
        place.fp32_precision = value
    assert state() == before


@pytest.mark.parametrize(
    ("within", "newer", "older"),
    [
        (lambda: precision.of("float32", GPU), "ieee", [False, False, "highest"]),
        (lambda: precision.of("tf32", GPU), "tf32", [True, True, "high"]),
        (precision.exact_products, "ieee", [False, False, "highest"]),
    ],
    ids=["float32", "tf32", "exact products"],
)
def test_older_and_newer_switches_agree_and_are_put_back(readable, within, newer, older):
    before, search = state(), cudnn.benchmark
    with within():
        assert state()[:4] == [newer] * 4
        if readable:
            assert state()[4:] == older
    assert state() == before
    assert cudnn.benchmark == search


def test_a_network_may_use_the_older_switches_at_a_step():
    before = state()
    with pytest.raises(ZeroDivisionError), precision.of("float32", GPU):
        with cudnn.flags(enabled=True, allow_tf32=True):
            assert cudnn.conv.fp32_precision == "tf32"
        assert not cudnn.allow_tf32
        cuda.matmul.allow_tf32 = True  # and left so
        raise ZeroDivisionError
    assert state() == before


def test_products_are_exact_where_all_of_torch_was_made_coarse():
    before = torch.backends.fp32_precision
    torch.backends.fp32_precision = "tf32"  # counts where an older switch is off and no newer one
    try:
        with precision.of("float32", GPU):
            assert cudnn.conv.fp32_precision == "ieee"
    finally:
        torch.backends.fp32_precision = before
