"""The monitor against weights and gradients kept by the test, in float64."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from torch import nn

import sawtooth
from compare.measure.laws import exact_laws
from empirical.monitor.monitor import Monitor
from empirical.monitor.optimizer import PATIENCE
from empirical.monitor.step_log import CHUNK
from empirical.networks import architectures
from theory.trajectory import read_runs, require

N = 60


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, weight_decay=0.0, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_((b1 * m + (1 - b1) * p.grad).sign(), alpha=group["lr"])
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.5, weight_decay=1e-2),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=1e-2, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=1e-2, nesterov=True),
    "dampening": lambda p: torch.optim.SGD(p, 0.1, 0.9, dampening=0.4, weight_decay=1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2),
    "lion": lambda p: Lion(p, lr=1e-3, weight_decay=1.0),
}


def mlp(**options):
    torch.manual_seed(0)
    return architectures.mlp((20, 16, 16, 5), **options)


def batches(n=N):
    generator = torch.Generator().manual_seed(1)
    for _ in range(n):
        yield (
            torch.randn(32, 20, generator=generator),
            torch.randint(5, (32,), generator=generator),
        )


def train(model, optimizer, monitor, n=N, after=lambda: None):
    """An ordinary loop; what it did to the weights is kept in float64, a row for each step."""
    kept = []
    for x, y in batches(n):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        before = flat(model, monitor), flat(model, monitor, "grad")
        optimizer.step()
        kept.append((*before, flat(model, monitor), loss.item()))
        if monitor is not None:
            monitor.step(loss)
        after()
    return kept


def flat(model, monitor, what="data"):
    if monitor is None or not monitor.names:
        return None
    parameters = dict(model.named_parameters())
    return torch.cat([getattr(parameters[n], what).flatten() for n in monitor.names]).double()


def monitored(make, model=None, n=N, **options):
    model = model or mlp()
    optimizer = make([p for p in model.parameters() if p.requires_grad])
    if "parameters" not in options and "inputs" not in options:
        options["inputs"] = torch.randn(16, 20)
    monitor = Monitor(model, optimizer, **options)
    return monitor, train(model, optimizer, monitor, n)


def values(dataset, name):
    return dataset[name].values[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_record_is_what_the_weights_did(name):
    monitor, kept = monitored(OPTIMIZERS[name])
    found = monitor.dataset()
    group = monitor.optimizer.param_groups[0]
    lr = group["lr"]
    a = 1.0 if name == "adam" else 1 - lr * group["weight_decay"]
    for t, (w, grad, moved, loss) in enumerate(kept):
        rho = float(w.norm())
        cosine = torch.dot(w, moved) / rho / moved.norm()
        across = (moved / moved.norm() - cosine * w / rho).norm()
        expected = {
            "weight_norm": rho,
            "effective_grad_norm": rho * grad.norm(),
            "effective_lr": lr / rho**2,
            "angular_update": torch.atan2(across, cosine),
            "train_loss": loss,
        }
        if name != "sgd":
            z = rho * (a * w - moved) / lr
            expected["effective_update_norm"] = z.norm()
            expected["radial_update"] = torch.dot(w, z) / rho
        for key, value in expected.items():
            # weights in float32 leave the angle uncertain by 1e-7
            slack = {"radial_update": 3e-7 * rho**2 / lr, "angular_update": 1e-7}.get(key, 0.0)
            assert values(found, key)[t] == pytest.approx(float(value), rel=2e-5, abs=slack), (
                key,
                t,
            )
    assert found.sizes["step"] == int(found["n_steps"][0]) == N
    assert found["n_weights"].item() == 20 * 16 + 16 * 16
    assert found["status"].item() == "completed"
    rule = {"momentum": "sgd", "nesterov": "sgd", "dampening": "sgd"}.get(name, name)
    assert found["update_rule"].item() == rule
    assert found["momentum"].item() == (0.9 if rule == "sgd" and name != "sgd" else 0)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "dampening"])
def test_exact_laws_hold_to_rounding(name):
    monitor, _ = monitored(OPTIMIZERS[name])
    laws = exact_laws.check_laws(read_runs(monitor.dataset()))
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert float(laws["elr_law_residual"][0]) < 1e-6
    assert float(laws["angle_law_residual"][0]) < 1e-5
    if name == "sgd":
        assert float(laws["jump_agreement"][0]) == 1
    # they are no tautologies: another decay is seen at once
    monitor.log.table()[:, 2] *= 1.01
    wrong = exact_laws.check_laws(read_runs(monitor.dataset()))
    expected = 2 * rate(monitor.optimizer) * 1e-2 * 0.01
    assert float(wrong["norm_law_residual"][0]) == pytest.approx(expected, rel=0.1)


def test_networks_with_gains_obey_the_law_as_a_whole():
    model = mlp(all_trained=True)
    monitor, _ = monitored(OPTIMIZERS["sgd"], model)
    assert len(monitor.invariance.groups) > 0
    assert {"1.weight", "2.weight", "2.bias"} < set(monitor.names)
    assert "7.weight" not in monitor.names
    laws = exact_laws.check_laws(read_runs(monitor.dataset()))
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert float(laws["angle_law_residual"][0]) < 1e-5


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_training_is_the_same_bit_for_bit(name):
    def run(watch):
        torch.manual_seed(0)
        model = nn.Sequential(architectures.mlp((20, 16, 16, 8)), nn.Dropout(0.3), nn.Linear(8, 5))
        optimizer = OPTIMIZERS[name]([p for p in model.parameters() if p.requires_grad])
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, N)
        monitor = Monitor(model, optimizer, eval_every=7) if watch else None
        train(model, optimizer, monitor, after=scheduler.step)
        return model, optimizer, torch.get_rng_state(), monitor

    plain, plain_optimizer, plain_random, _ = run(False)
    model, optimizer, random, monitor = run(True)
    assert monitor.names == ("0.1.weight", "0.4.weight")  # found at the first step
    assert torch.equal(random, plain_random)
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    for p, q in zip(model.parameters(), plain.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None)
        assert p.grad is None or torch.equal(p.grad, q.grad)
    assert not model._forward_pre_hooks
    states = (one.state_dict()["state"] for one in (optimizer, plain_optimizer))
    for one, other in zip(*(state.values() for state in states), strict=True):
        for key, value in other.items():
            assert value is one[key] or torch.equal(torch.as_tensor(one[key]), value)


def test_schedules_enter_the_effective_rate():
    model = mlp()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    # a warm-up from 0, where nothing moves
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min(t, 10) / 10)
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    rates = []
    train(
        model, optimizer, monitor, after=lambda: (rates.append(rate(optimizer)), scheduler.step())
    )
    found = monitor.dataset()
    expected = 0.5 * np.minimum(np.arange(N), 10) / 10
    assert rates == pytest.approx(expected.tolist())
    product = values(found, "effective_lr") * values(found, "weight_norm") ** 2
    assert product == pytest.approx(expected, rel=1e-12)
    assert found["learning_rate"].item() == 0.5
    assert values(found, "angular_update")[0] == pytest.approx(0, abs=1e-7)
    laws = exact_laws.check_laws(read_runs(found))
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert float(laws["elr_law_residual"][0]) < 1e-6
    assert float(laws["angle_law_residual"][0]) < 1e-4
    require(found, "the file")  # what a reader asks of it


def rate(optimizer):
    return optimizer.param_groups[0]["lr"]


def test_learning_rates_may_be_tensors():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.5), weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    train(model, optimizer, monitor, after=scheduler.step)
    found = monitor.dataset()
    product = values(found, "effective_lr") * values(found, "weight_norm") ** 2
    assert product == pytest.approx(0.5 * 0.9 ** np.arange(N), rel=1e-5)
    assert float(exact_laws.check_laws(read_runs(found))["norm_law_residual"][0]) < 1e-6


def test_changing_decay_takes_the_laws_away():
    model = mlp()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    train(model, optimizer, monitor, n=5)
    optimizer.param_groups[0]["weight_decay"] = 2e-2
    train(model, optimizer, monitor, n=5)
    laws = exact_laws.check_laws(read_runs(monitor.dataset()))
    assert np.isnan(float(laws["norm_law_residual"][0]))
    assert "sgd with changing decay" in laws["reason_norm_law_residual"].item()


def test_clipping_accumulation_and_projection_are_seen_as_they_are():
    model = mlp()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    monitor = Monitor(model, optimizer, inputs=torch.randn(16, 20))
    norms, grads = [], []
    stream = iter(batches())
    for _ in range(N // 2):
        optimizer.zero_grad()
        for x, y in (next(stream), next(stream)):
            (F.cross_entropy(model(x), y) / 2).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        norms.append(float(flat(model, monitor).norm()))
        grads.append(float(flat(model, monitor, "grad").norm()))
        optimizer.step()
        optimizer.zero_grad()
        monitor.step()
        for name, weight in model.named_parameters():  # behind autograd's back
            if name in monitor.names:
                weight.data.mul_(3.0 / 2**0.5 / weight.data.norm())
    found = monitor.dataset()
    assert values(found, "weight_norm") == pytest.approx(norms, rel=1e-6)
    assert norms[5] == pytest.approx(3, rel=1e-5)
    assert max(grads) < 0.0501
    product = values(found, "weight_norm") * np.array(grads)
    assert values(found, "effective_grad_norm") == pytest.approx(product, rel=1e-5)
    g, elr = values(found, "effective_grad_norm"), values(found, "effective_lr")
    assert values(found, "angular_update") == pytest.approx(np.arctan(elr * g / 0.995), rel=1e-4)
    assert np.isnan(values(found, "train_loss")).all()


def test_steps_that_the_optimizer_does_not_make_leave_no_record():
    model = mlp()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    losses = []
    for t, (x, y) in enumerate(batches(10)):
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if t % 3:
            optimizer.step()
            losses.append(loss.item())
            monitor.step(loss)
        elif t:
            monitor.step()
    found = monitor.dataset()
    assert int(found["n_steps"][0]) == 6
    assert values(found, "train_loss") == pytest.approx(losses)


def test_every_kth_step():
    make = OPTIMIZERS["momentum"]
    dense, _ = monitored(make, eval_every=10)
    sparse, _ = monitored(make, every=5, eval_every=10)
    every, kth = dense.dataset(), sparse.dataset()
    assert kth["step"].values.tolist() == list(range(0, N, 5))
    assert int(kth["n_steps"][0]) == N
    assert kth.attrs["record_every"] == 5
    for name in every.data_vars:
        if every[name].dims == ("run", "step"):
            assert kth[name].values.tolist() == every[name].values[:, ::5].tolist(), name
    laws = exact_laws.check_laws(read_runs(kth))  # each step by itself
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert float(laws["angle_law_residual"][0]) < 1e-5
    bare = exact_laws.check_laws(read_runs(kth.drop_vars("next_weight_norm")))
    assert np.isnan(float(bare["norm_law_residual"][0]))
    assert "5 steps apart" in bare["reason_norm_law_residual"].item()


def test_weights_under_other_rates_or_decays_are_left_out():
    model = mlp(all_trained=True)
    gains = [p for p in model.parameters() if p.ndim == 1]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    groups = [{"params": gains, "weight_decay": 0.0}, {"params": matrices}]
    optimizer = torch.optim.SGD(groups, lr=0.5, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, inputs=torch.randn(16, 20))
    assert monitor.names == ("1.weight", "4.weight")
    assert "2.weight, 2.bias: weight_decay 0.0 instead of 0.01" in monitor.notes[0]
    train(model, optimizer, monitor)
    found = monitor.dataset()
    assert found["weight_decay"].item() == 1e-2
    assert float(exact_laws.check_laws(read_runs(found))["norm_law_residual"][0]) < 1e-6
    with pytest.raises(ValueError, match=r"followed as one: 2.weight: weight_decay 0.0"):
        Monitor(model, optimizer, parameters=["1.weight", "2.weight"])


def test_the_rule_is_that_of_the_group_that_is_followed():
    model = mlp(all_trained=True)
    other, own = model[7].weight, [model[1].weight, model[4].weight]
    groups = [{"params": [other]}, {"params": own, "momentum": 0.9, "nesterov": True}]
    optimizer = torch.optim.SGD(groups, lr=0.1, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    train(model, optimizer, monitor)
    found = monitor.dataset()
    assert (found["momentum"].item(), found["variant"].item()) == (0.9, "nesterov")
    assert float(exact_laws.check_laws(read_runs(found))["norm_law_residual"][0]) < 1e-6


def test_tensors_that_are_invariant_only_together_need_one_group():
    torch.manual_seed(0)
    norm = {"elementwise_affine": False, "eps": 1e-12}
    model = nn.Sequential(
        nn.Linear(20, 16),
        nn.LayerNorm(16, **norm),
        nn.Tanh(),
        nn.Linear(16, 16, bias=False),
        nn.LayerNorm(16, **norm),
        nn.Linear(16, 5).requires_grad_(False),
    )
    biases = [{"params": [model[0].bias], "weight_decay": 0.0}]
    groups = [{"params": [model[0].weight, model[3].weight]}, *biases]
    optimizer = torch.optim.SGD(groups, lr=0.5, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, inputs=torch.randn(16, 20))
    assert monitor.names == ("3.weight",)
    assert monitor.notes == ("0.weight, 0.bias: invariant together, in groups that differ",)
    train(model, optimizer, monitor)
    assert float(exact_laws.check_laws(read_runs(monitor.dataset()))["norm_law_residual"][0]) < 1e-6


def test_groups_that_part_ways_end_the_record():
    model = mlp()
    groups = [{"params": [p]} for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(groups, lr=0.5, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    train(model, optimizer, monitor, n=8)
    optimizer.param_groups[1]["lr"] = 0.25
    train(model, optimizer, monitor, n=8)
    found = monitor.dataset()
    assert found["status"].item() == "stopped"
    assert "disagree, 0.5 and 0.25 (from step 8 on)" in found["reason"].item()
    assert int(found["n_steps"][0]) == found.sizes["step"] == 8


def test_frozen_weights_and_weights_outside_the_optimizer_are_not_followed():
    model = mlp()
    model[1].weight.requires_grad_(False)
    monitor, _ = monitored(OPTIMIZERS["sgd"], model)
    assert monitor.names == ("4.weight",)
    assert float(exact_laws.check_laws(read_runs(monitor.dataset()))["norm_law_residual"][0]) < 1e-6
    model = mlp()
    optimizer = OPTIMIZERS["sgd"]([model[1].weight])
    monitor = Monitor(model, optimizer, inputs=torch.randn(16, 20))
    assert monitor.names == ("1.weight",)
    assert monitor.notes == ("4.weight: not in the optimizer",)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "momentum", "adamw"])
def test_a_run_that_stops_being_finite_is_kept_up_to_there(name):
    model = mlp()
    optimizer = OPTIMIZERS[name]([p for p in model.parameters() if p.requires_grad])
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    for t, (x, y) in enumerate(batches(CHUNK + 20)):
        loss = F.cross_entropy(model(x * (float("nan") if t == 5 else 1)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        monitor.step(loss)
    found = monitor.dataset()
    assert found["status"].item() == "diverged"
    assert found["reason"].item() == "effective_grad_norm was not finite at step 5"
    assert int(found["n_steps"][0]) == 5
    assert monitor.n_steps == CHUNK + 20
    assert len(monitor.log.table()) == CHUNK  # no more was recorded
    assert monitor.reason == f"what was recorded is not finite (from step {CHUNK} on)"
    if name == "sgd":
        assert float(exact_laws.check_laws(read_runs(found))["norm_law_residual"][0]) < 1e-6


def test_layers_and_evaluations_have_their_own_steps():
    model = mlp()
    optimizer = OPTIMIZERS["adam"]([p for p in model.parameters() if p.requires_grad])
    monitor = Monitor(model, optimizer, inputs=torch.randn(16, 20), eval_every=20)
    kept = train(model, optimizer, monitor, n=30)
    monitor.evaluate(test_loss=torch.tensor(1.5), test_error=0.25)
    train(model, optimizer, monitor, n=30)
    found = monitor.dataset()
    assert found["eval_step"].values.tolist() == [0, 20, 30, 40]
    assert found["layer"].values.tolist() == ["1.weight", "4.weight"]
    w, grad, _, _ = kept[20]
    parts = [w[:320].norm().item(), w[320:].norm().item()]
    assert found["layer_weight_norm"].values[0, 1] == pytest.approx(parts, rel=1e-6)
    slopes = [parts[0] * grad[:320].norm().item(), parts[1] * grad[320:].norm().item()]
    assert found["layer_effective_grad_norm"].values[0, 1] == pytest.approx(slopes, rel=1e-6)
    assert found["test_error"].values[0, 2] == 0.25
    assert np.isnan(found["test_error"].values[0, [0, 1, 3]]).all()
    assert np.isnan(found["layer_weight_norm"].values[0, 2]).all()
    # Adam's second moments after 21 steps, from the gradients the test kept
    grads = torch.stack([g + 1e-2 * w for w, g, _, _ in kept[:21]])  # its decay is in them
    weights = 0.001 * 0.999 ** torch.arange(20, -1, -1).double()
    second = (weights[:, None] * grads**2).sum(0) / (1 - 0.999**21)
    expected = float(kept[20][0].norm() * second.sqrt().sum())
    assert found["effective_grad_sum"].values[0, 1] == pytest.approx(expected, rel=1e-5)


def test_what_waits_on_the_device_stays_small():
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2, affine=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = Monitor(model, optimizer, parameters=["0.weight"], eval_every=10**9)
    model[0].weight.grad = torch.zeros(2, 3)
    most, n = 0, 2 * CHUNK + 10
    for t in range(n):
        optimizer.step()
        monitor.step(torch.tensor(float(t)))
        most = max(most, len(monitor.log._waiting))
    assert most == CHUNK
    table = monitor.log.table()
    assert table.dtype == np.float64
    assert table.nbytes == n * 9 * 8  # 72 MB for a million steps
    assert values(monitor.dataset(), "train_loss").tolist() == list(range(n))


def test_overhead_and_evidence_are_told():
    monitor, _ = monitored(OPTIMIZERS["sgd"], data="noise", steps_per_epoch=20, seed=3)
    assert 0.001 < monitor.overhead < 0.9
    found = monitor.dataset()
    assert found.attrs["overhead"] == pytest.approx(monitor.overhead, rel=0.5)
    assert found["invariance"].item().startswith("576 of 576 trained weights are scale-invariant")
    assert found["run"].item() == "lr0.5-wd0.01-seed3"
    assert found["largest_matrix"].item() == "16x20"
    assert found["weights_dtype"].item() == "float32"
    assert found["normalisation_eps"].item() == found.attrs["normalisation_eps"] > 0
    assert (found["model"].item(), found["data"].item()) == ("Sequential", "noise")
    assert found["epoch"].values[-1] == pytest.approx((N - 1) / 20)
    for name in ("weight_norm", "n_weights", "layer_weight_norm"):
        assert found[name].attrs.keys() >= {"units", "long_name", "symbol", "source"}


def test_the_search_counts_neither_in_the_time_of_the_monitor_nor_in_that_of_the_training():
    model, optimizer, monitor = step_at_once()
    train(model, optimizer, monitor, n=1)
    assert monitor.search_seconds > 0
    assert 0 < monitor._seconds < monitor.search_seconds
    assert 0 < monitor.overhead <= 1


def test_a_save_replaces_nothing_but_an_older_one(tmp_path):
    monitor, _ = monitored(OPTIMIZERS["sgd"], n=3)
    path = tmp_path / "run.nc"
    for _ in range(2):
        monitor.save(path)
        assert xr.load_dataset(path, engine="h5netcdf")["run"].sizes == {"run": 1}
    xr.Dataset({"weight_norm": 1.0}).to_netcdf(path, engine="h5netcdf")
    (tmp_path / "notes.txt").write_text("mine")
    for mine in (path, tmp_path / "notes.txt"):
        before = mine.read_bytes()
        with pytest.raises(FileExistsError, match=f"{mine.name} is there and is no monitor's file"):
            monitor.save(mine)
        assert mine.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam", "lion"])
def test_saved_files_are_reported_without_torch(name, tmp_path):
    monitor, _ = monitored(OPTIMIZERS[name], every=2, data="<noise>")
    path = tmp_path / "deep" / "run.nc"
    monitor.save(path)
    assert [one.name for one in path.parent.iterdir()] == ["run.nc"]
    with xr.open_dataset(path, engine="h5netcdf") as again:
        xr.testing.assert_equal(again.load(), monitor.dataset())
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from compare.cli.main import main\n"
        f"sys.exit(main(['report', {str(path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    html = path.with_suffix(".html").read_text()
    assert "Trained on &lt;noise&gt;" in html
    assert html.count("data:image/svg+xml;base64,") == 2
    assert "recorded every 2" in html
    assert ("No equilibrium is predicted" in html) == (name == "lion")  # a class of this file


def test_closed_monitors_let_go():
    monitor, _ = monitored(OPTIMIZERS["sgd"])
    monitor.close()
    train(monitor.model, monitor.optimizer, None, n=3)
    assert monitor.n_steps == N
    assert monitor.dataset().sizes["step"] == N


def step_at_once(**options):
    model = mlp()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    monitor = Monitor(model, optimizer, **options)
    return model, optimizer, monitor


def test_nothing_is_recorded_without_a_step_and_that_is_said(caplog):
    model, optimizer, monitor = step_at_once(parameters=["1.weight"])
    with pytest.raises(ValueError, match=r"nothing was recorded: the optimizer has made no step"):
        monitor.dataset()
    assert not caplog.records
    for _ in range(PATIENCE):
        monitor.step()
    assert (monitor.reason, caplog.records) == ("", [])
    for _ in range(5):
        monitor.step()
    assert monitor.reason == (
        "the optimizer has made no step (SGD.step was not called with gradients); if another "
        "object makes the steps, give Monitor that one; if gradients of very many batches are "
        "accumulated, this is soon over"
    )
    assert [r.message for r in caplog.records] == [f"the monitor: {monitor.reason}"]
    x, y = next(batches())
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    assert monitor.reason == ""
    with pytest.raises(ValueError, match="evaluate takes test_loss and test_error, got accuracy"):
        monitor.evaluate(accuracy=1)


def micro_batches(model, optimizer, monitor, n_steps, n_batches):
    """A loop that accumulates gradients and calls the monitor after every batch."""
    for t, (x, y) in enumerate(batches(n_steps * n_batches)):
        (F.cross_entropy(model(x), y) / n_batches).backward()
        if t % n_batches == n_batches - 1:
            optimizer.step()
            optimizer.zero_grad()
        monitor.step()


def test_an_optimizer_that_is_made_anew_is_missed(caplog):
    model, optimizer, monitor = step_at_once(parameters=["1.weight"])
    micro_batches(model, optimizer, monitor, 2, 8)
    assert (monitor.reason, monitor.n_steps, caplog.records) == ("", 2, [])
    other = OPTIMIZERS["sgd"](model.parameters())
    micro_batches(model, other, monitor, PATIENCE - 1, 8)
    assert monitor.reason == ""  # 8 calls a step are normal here
    micro_batches(model, other, monitor, 2, 8)
    found = monitor.dataset()
    assert (found["status"].item(), int(found["n_steps"][0])) == ("stopped", 2)
    assert found["reason"].item().startswith("the optimizer has made no step since step 1 (SGD")
    assert len(caplog.records) == 1
    micro_batches(model, optimizer, monitor, 1, 8)  # it only had to wait for its turn
    assert (monitor.reason, monitor.dataset().sizes["step"]) == ("", 3)
    assert monitor.dataset()["status"].item() == "completed"


def test_what_was_seen_before_a_silence_is_kept():
    model, optimizer, monitor = step_at_once(parameters=["1.weight"], every=10)
    micro_batches(model, optimizer, monitor, 25, 1)
    monitor.evaluate(test_error=0.3)
    other = OPTIMIZERS["sgd"](model.parameters())
    micro_batches(model, other, monitor, PATIENCE + 1, 1)
    found = monitor.dataset()
    assert (found["status"].item(), int(found["n_steps"][0])) == ("stopped", 25)
    assert found["test_error"].values.ravel()[-1] == 0.3


def test_a_monitor_that_was_closed_waits_for_no_step(caplog):
    model, optimizer, monitor = step_at_once(parameters=["1.weight"])
    micro_batches(model, optimizer, monitor, 3, 1)
    monitor.close()
    micro_batches(model, optimizer, monitor, PATIENCE + 1, 1)
    assert (monitor.reason, caplog.records) == ("", [])
    assert monitor.dataset()["status"].item() == "completed"


def test_without_inputs_a_forward_pass_must_be_seen(caplog):
    model, optimizer, monitor = step_at_once()
    optimizer.step()  # without a gradient nothing moves
    assert monitor.n_steps == 0
    x, y = next(batches())
    with torch.no_grad():
        model(x)  # an evaluation does not count
    before = model[1].weight.detach().clone()
    F.cross_entropy(model.forward(x), y).backward()  # nor does what goes around hooks
    optimizer.step()
    assert not torch.equal(before, model[1].weight)  # training goes on
    assert "no forward pass of the network was seen" in monitor.reason
    assert "no forward pass" in caplog.text
    with pytest.raises(ValueError, match="nothing was recorded: no forward pass"):
        monitor.dataset()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"parameters": ["nope"]}, "no parameter 'nope'; it has 1.weight"),
        ({"parameters": ["7.weight"]}, "parameter '7.weight' is frozen"),
        ({"parameters": []}, "at least one weight"),
        ({"every": 0}, "every must be >= 1, got 0"),
        ({"every": 3, "eval_every": 10}, "multiple of every = 3, got 10"),
        ({"seed": -1}, "seed must be >= 0"),
    ],
)
def test_bad_options_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        step_at_once(**options)


def test_networks_and_optimizers_that_cannot_be_followed_are_refused():
    plain = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 5))
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="no scale-invariant weight that is trained"):
        Monitor(plain, optimizer, inputs=torch.randn(8, 20))
    with pytest.raises(ValueError, match=r"moves no scale-invariant weight .1.weight: not in the"):
        Monitor(mlp(), optimizer, inputs=torch.randn(8, 20))
    with pytest.raises(ValueError, match=r"must be a torch.optim.Optimizer, got str"):
        Monitor(plain, "sgd")
    climbing = torch.optim.SGD(plain.parameters(), lr=0.1, maximize=True)
    with pytest.raises(ValueError, match="maximize=True climbs"):
        Monitor(plain, climbing)

    class Odd(torch.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"speed": 1.0})

    with pytest.raises(ValueError, match="Odd has no lr in its param_groups"):
        Monitor(plain, Odd(plain.parameters()))


@pytest.mark.slow
def test_the_outlook_is_that_of_the_records():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=2e-2)
    monitor = Monitor(model, optimizer, parameters=["1.weight", "4.weight"])
    train(model, optimizer, monitor, n=20)
    with pytest.raises(ValueError, match="no period is complete so far"):
        monitor.outlook()
    made = torch.Generator().manual_seed(2)
    x, y = torch.randn(64, 20, generator=made), torch.randint(5, (64,), generator=made)
    for _ in range(3000):  # few examples, learnt by heart: the loss is small between jumps
        optimizer.zero_grad()
        F.cross_entropy(5 * model(x), y).backward()
        optimizer.step()
    found = monitor.outlook(200)
    assert found.probability(200) == sawtooth.outlook(monitor.dataset(), n_steps=200).probability()
    assert 0 < found.low <= found.median_wait <= found.high
