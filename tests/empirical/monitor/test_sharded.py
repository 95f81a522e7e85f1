"""Two processes that train together record what one does alone."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from compare.measure.laws import exact_laws
from empirical.monitor import followed
from theory.trajectory import read_runs

from . import processes

pytestmark = pytest.mark.slow
KINDS = ("ddp", "fsdp1", "fsdp1-whole", "fsdp2")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes recorded, by the way in which they share the network."""
    folder = tmp_path_factory.mktemp("processes")
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, processes.__file__]
    running = [
        subprocess.Popen([*command, str(rank), "2", str(folder), *KINDS], **options)
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], "".join(said)
    return {kind: xr.load_dataset(folder / f"{kind}.nc", engine="h5netcdf") for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_those_of_the_whole(together, kind):
    found, alone = together[kind], processes.train("one", 0, 1).dataset()
    names = [name.removeprefix("_fsdp_wrapped_module.") for name in found["layer"].values]
    assert names == list(processes.NAMES)
    assert found["n_weights"].item() == alone["n_weights"].item() == 7 * 10 + 5 * 7
    for name in (
        "weight_norm",
        "next_weight_norm",
        "effective_lr",
        "effective_grad_norm",
        "effective_update_norm",
        "angular_update",
        "layer_weight_norm",
        "layer_effective_grad_norm",
    ):
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-5, err_msg=name)
    laws = exact_laws.check_laws(read_runs(found))
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert (found["status"].item(), found["reason"].item()) == ("completed", "")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # within torch.compile
def test_weights_within_wrapped_parts_go_by_either_name():
    model = nn.Sequential(torch.compile(nn.Linear(3, 2)), nn.BatchNorm1d(2))
    for name in ("0.weight", "0._orig_mod.weight"):
        assert followed.named(model, [name]) == ("0._orig_mod.weight",)
