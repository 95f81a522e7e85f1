"""The monitor under the ways in which people call optimizers; each record as the test saw it."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from compare.measure.laws import exact_laws
from empirical.monitor.monitor import Monitor
from empirical.monitor.sink import KEYS
from theory.trajectory import read_runs

from .test_monitor import OPTIMIZERS, batches, flat, mlp, train, values

NAMES = ("1.weight", "4.weight")
N = 12


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.5, weight_decay=1e-2)


def residual(monitor):
    return float(exact_laws.check_laws(read_runs(monitor.dataset()))["norm_law_residual"][0])


def watched(make=sgd, wrap=lambda optimizer: optimizer, **options):
    """A network, the optimizer that is called, and a monitor that was given that one."""
    model = mlp()
    optimizer = wrap(make(model.parameters()))
    return model, optimizer, Monitor(model, optimizer, **options)


class Spy:
    """Keeps norms around every step of the optimizer that moves the weights, in float64."""

    def __init__(self, model, optimizer):
        self.rows = []
        weights = [dict(model.named_parameters())[name] for name in NAMES]

        def norm(tensors):
            return float(torch.cat([t.detach().flatten() for t in tensors]).double().norm())

        def before(*_):
            self._start = norm(weights), norm([w.grad for w in weights])

        def after(*_):
            self.rows.append((*self._start, norm(weights)))

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    def agrees(self, monitor):
        """Whether the monitor's records are these."""
        found = monitor.dataset()
        rho, gradient, moved = np.array(self.rows).T
        assert values(found, "weight_norm") == pytest.approx(rho, rel=1e-6)
        assert values(found, "next_weight_norm") == pytest.approx(moved, rel=1e-6)
        assert values(found, "effective_grad_norm") == pytest.approx(rho * gradient, rel=1e-5)
        return len(rho) == found.sizes["step"] == monitor.n_steps


def closures(model, optimizer, monitor, n=N, give=lambda step, closure: step(closure)):
    """A loop of closures, as Lightning's."""
    losses = []
    for x, y in batches(n):

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        losses.append(give(optimizer.step, closure).item())
    return losses


@pytest.mark.parametrize("by_keyword", [False, True])
@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_closures_make_the_gradient_and_give_the_loss(name, by_keyword):
    give = (lambda step, c: step(closure=c)) if by_keyword else (lambda step, c: step(c))
    model, optimizer, monitor = watched(OPTIMIZERS[name])
    losses = closures(model, optimizer, monitor, give=give)
    plain = mlp()
    rows = train(plain, OPTIMIZERS[name](plain.parameters()), None, N)
    assert losses == [row[3] for row in rows] == values(monitor.dataset(), "train_loss").tolist()
    assert (monitor.names, monitor.n_steps) == (NAMES, N)
    assert residual(monitor) < 1e-6


def test_a_closure_that_fails_once_is_tried_again():
    failures = iter([False, False, True, False, True])

    def give(step, closure):
        def sometimes():
            loss = closure()
            if next(failures, False):
                raise OSError("the network drive is away")
            return loss

        try:
            return step(sometimes)
        except OSError:
            return step(sometimes)

    model, optimizer, monitor = watched()
    losses = closures(model, optimizer, monitor, give=give)
    plain = mlp()
    rows = train(plain, sgd(plain.parameters()), None, N)
    assert losses == [row[3] for row in rows] == values(monitor.dataset(), "train_loss").tolist()
    assert list(failures) == []
    assert monitor.n_steps == N
    assert residual(monitor) < 1e-6


def test_of_many_calls_of_a_closure_the_first_is_where_the_step_starts():
    lbfgs = {"lr": 0.1, "max_iter": 4}
    model, optimizer, monitor = watched(
        lambda p: torch.optim.LBFGS([w for w in p if w.requires_grad], **lbfgs)
    )
    starts, moved, calls = [], [], []

    def give(step, closure):
        starts.append(flat(model, monitor) if monitor.names else None)

        def counted():
            calls.append(len(starts))
            return closure()

        loss = step(counted)
        moved.append(flat(model, monitor))
        return loss

    losses = closures(model, optimizer, monitor, give=give)
    found = monitor.dataset()
    assert len(calls) > 2 * N
    assert found["update_rule"].item() == "lbfgs"
    starts[0] = torch.cat([p.detach().flatten() for p in list(mlp().parameters())[:2]]).double()
    assert values(found, "weight_norm") == pytest.approx([float(w.norm()) for w in starts])
    assert values(found, "next_weight_norm") == pytest.approx([float(w.norm()) for w in moved])
    cosines = [
        float(torch.dot(a, b) / a.norm() / b.norm()) for a, b in zip(starts, moved, strict=True)
    ]
    assert np.cos(values(found, "angular_update")) == pytest.approx(cosines, abs=1e-7)
    assert values(found, "train_loss").tolist() == losses


def test_steps_that_a_scaler_skips_leave_no_record():
    model, optimizer, monitor = watched()
    spy = Spy(model, optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-100)
    losses = []
    for t, (x, y) in enumerate(batches(N)):
        loss = F.cross_entropy(model(x), y) * (100 if t == 0 else 1)  # overflows
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        monitor.step(loss)
        losses.append(loss.item())
    assert len(spy.rows) == N - 1
    assert spy.agrees(monitor)
    assert values(monitor.dataset(), "train_loss").tolist() == losses[1:]
    assert residual(monitor) < 1e-6


def test_a_fused_optimizer_under_a_scaler_is_not_followed_and_trains_on(caplog):
    model, optimizer, monitor = watched(lambda p: torch.optim.SGD(p, lr=0.5, fused=True))
    scaler, start = torch.amp.GradScaler("cpu"), model[1].weight.detach().clone()
    for x, y in batches(3):
        optimizer.zero_grad()
        scaler.scale(F.cross_entropy(model(x), y)).backward()
        scaler.step(optimizer)
        scaler.update()
    assert monitor.reason == (
        "a fused optimizer unscales gradients inside its step; use fused=False with GradScaler "
        "(from step 0 on)"
    )
    assert len(caplog.records) == 1
    assert not torch.equal(model[1].weight, start)
    with pytest.raises(ValueError, match="nothing was recorded: a fused optimizer"):
        monitor.dataset()


def test_a_gradient_of_several_batches_is_one_step():
    model, optimizer, monitor = watched()
    spy, losses = Spy(model, optimizer), []
    for t, (x, y) in enumerate(batches(3 * N)):
        loss = F.cross_entropy(model(x), y)
        (loss / 3).backward()
        if t % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        monitor.step(loss)
    assert spy.agrees(monitor)
    assert values(monitor.dataset(), "train_loss").tolist() == losses
    assert residual(monitor) < 1e-6


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimisation as it is usually written (Foret et al. 2021)."""

    def __init__(self, base, radius=0.5):
        super().__init__(base.param_groups, {"radius": radius})
        self.base_optimizer = base
        self.param_groups = base.param_groups
        self.radius = radius

    @torch.no_grad()
    def first_step(self):
        weights = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        size = torch.stack([p.grad.norm() for p in weights]).norm()
        for p in weights:
            self.state[p]["old"] = p.data.clone()
            p.add_(p.grad, alpha=float(self.radius / size))

    @torch.no_grad()
    def second_step(self):
        for p, state in self.state.items():
            p.data = state["old"]
        self.base_optimizer.step()

    def step(self, closure):
        loss = torch.enable_grad()(closure)()
        self.first_step()
        torch.enable_grad()(closure)()
        self.second_step()
        return loss


@pytest.mark.parametrize("form", ["closure", "two steps"])
def test_sharpness_aware_steps_start_at_the_weights_that_are_put_back(form):
    model, optimizer, monitor = watched(wrap=SAM)
    assert monitor.optimizer is optimizer.base_optimizer
    spy = Spy(model, optimizer.base_optimizer)
    if form == "closure":
        closures(model, optimizer, monitor)
    else:
        for x, y in batches(N):
            for step in (optimizer.first_step, optimizer.second_step):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                step()
            monitor.step()
    assert len(spy.rows) == N
    assert spy.agrees(monitor)
    # the gradient is that at other weights, so that it has a radial part, and that is said
    laws = exact_laws.check_laws(read_runs(monitor.dataset()))
    assert float(laws["norm_law_residual"][0]) > 1e-4
    assert "the gradient has a radial part" in laws["reason_norm_law_residual"].item()


class Lookahead(torch.optim.Optimizer):
    """Weights that look ahead (Zhang et al. 2019), written without ``super().__init__``."""

    def __init__(self, optimizer, every=3, share=0.5):
        self.optimizer, self.every, self.share, self.n = optimizer, every, share, 0
        self.param_groups, self.zero_grad = optimizer.param_groups, optimizer.zero_grad
        self.slow = [p.detach().clone() for g in self.param_groups for p in g["params"]]

    @torch.no_grad()
    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        self.n += 1
        if self.n % self.every == 0:
            fast = [p for group in self.param_groups for p in group["params"]]
            for slow, p in zip(self.slow, fast, strict=True):
                p.copy_(slow.lerp_(p, self.share))
        return loss


class Prepared:
    """An optimizer as accelerate hands it out, which is none of torch's."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.zero_grad, self.step = optimizer.zero_grad, optimizer.step

    @property
    def param_groups(self):
        return self.optimizer.param_groups


@pytest.mark.parametrize("wrapper", [Lookahead, Prepared, lambda o: Prepared(Lookahead(o))])
def test_wrappers_are_looked_through(wrapper):
    model, optimizer, monitor = watched(wrap=wrapper)
    assert type(monitor.optimizer) is torch.optim.SGD
    spy = Spy(model, monitor.optimizer)
    train(model, optimizer, monitor, N)
    assert spy.agrees(monitor)
    assert residual(monitor) < 1e-6


class Clipped(torch.optim.SGD):
    """A class of its own that prepares the gradient and lets SGD make the step."""

    def step(self, closure=None):
        weights = [p for group in self.param_groups for p in group["params"]]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        nn.utils.clip_grad_norm_(weights, 0.05)
        super().step()
        return loss


@pytest.mark.parametrize("by_closure", [False, True])
def test_a_step_within_a_step_is_one_record(by_closure):
    model, optimizer, monitor = watched(lambda p: Clipped(p, lr=0.5, weight_decay=1e-2))
    loop = closures if by_closure else train
    losses = [one if by_closure else one[3] for one in loop(model, optimizer, monitor, N)]
    found = monitor.dataset()
    assert found.sizes["step"] == monitor.n_steps == N
    assert values(found, "train_loss").tolist() == losses
    gradient = values(found, "effective_grad_norm") / values(found, "weight_norm")
    assert gradient == pytest.approx(0.05, rel=1e-4)  # the clipped one
    assert residual(monitor) < 1e-6


class Named(nn.Module):
    """A network of a class that is not torch's, which is compiled in another way."""

    def __init__(self):
        super().__init__()
        self.layers = mlp()

    def forward(self, x):
        return self.layers(x)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["compiled", "inner", "in place"])
@pytest.mark.parametrize(
    ("make", "backend"), [(mlp, "eager"), (Named, "eager"), (Named, "aot_eager")]
)
def test_networks_are_compiled_as_often_as_without(make, given, backend):
    from torch._dynamo.testing import CompileCounterWithBackend  # its import takes a second

    def compiled(counter):
        torch._dynamo.reset()
        inner = make()
        if given != "in place":
            return inner, torch.compile(inner, backend=counter)
        inner.compile(backend=counter)
        return inner, inner

    unwatched, counter = (CompileCounterWithBackend(backend) for _ in range(2))
    inner, network = compiled(unwatched)
    train(network, sgd(inner.parameters()), None, N)
    inner, network = compiled(counter)
    optimizer = sgd(inner.parameters())
    monitor = Monitor(inner if given == "inner" else network, optimizer)
    losses = [row[3] for row in train(network, optimizer, None, N)]
    plain = make()
    expected = [row[3] for row in train(plain, sgd(plain.parameters()), None, N)]
    assert losses == pytest.approx(expected, rel=1e-5)
    assert [name.removeprefix("layers.") for name in monitor.names] == list(NAMES)
    assert monitor.n_steps == N
    assert residual(monitor) < 1e-6
    assert counter.frame_count == unwatched.frame_count <= 1  # 0: torch 2.11, in place


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_checkpoints_may_be_loaded_in_mid_training(name):
    model, optimizer, monitor = watched(OPTIMIZERS[name])
    train(model, optimizer, monitor, 5)
    kept = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    norm = float(flat(model, monitor).norm())
    train(model, optimizer, monitor, 5)
    model.load_state_dict(kept[0])
    optimizer.load_state_dict(kept[1])
    optimizer.param_groups[0]["lr"] /= 2
    train(model, optimizer, monitor, 5)
    found = monitor.dataset()
    assert (found.sizes["step"], monitor.reason) == (15, "")
    assert values(found, "weight_norm")[[5, 10]] == pytest.approx(norm, rel=1e-6)
    rates = values(found, "step_learning_rate")
    assert set(rates[:10] / rates[10:].max()) == {2.0}
    assert residual(monitor) < 1e-6


def test_saving_at_any_moment_costs_nothing(tmp_path):
    model, optimizer, monitor = watched()
    losses = []
    for t, (x, y) in enumerate(batches(N)):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if t in (3, 4):
            monitor.save(tmp_path / "run.nc")  # before the loss has come
        monitor.step(loss)
        if t in (4, 8):
            monitor.save(tmp_path / "run.nc")
        losses.append(loss.item())
    found = monitor.dataset()
    assert values(found, "train_loss").tolist() == losses
    assert found["step"].values.tolist() == list(range(N))
    assert residual(monitor) < 1e-6


def test_copies_of_what_is_watched_are_not_watched():
    model, optimizer, monitor = watched()
    early = copy.deepcopy(model)  # while the first batch is waited for
    early(torch.ones(4, 20)).sum().backward()
    average = torch.optim.swa_utils.AveragedModel(model)
    rows = train(model, optimizer, monitor, N, after=lambda: average.update_parameters(model))
    twins = copy.deepcopy((model, optimizer)), pickle.loads(pickle.dumps((model, optimizer)))
    for twin, of_twin in twins:
        for (x, y), (_, _, _, loss) in zip(batches(2), rows, strict=False):
            of_twin.zero_grad()
            F.cross_entropy(twin(x), y).backward()
            of_twin.step()
            assert loss > 0
        assert not torch.equal(twin[1].weight, model[1].weight)
    assert monitor.n_steps == N
    assert values(monitor.dataset(), "train_loss").tolist() == [row[3] for row in rows]
    assert residual(monitor) < 1e-6


def test_a_sink_gets_the_numbers_that_are_recorded():
    given = {}
    model, optimizer, monitor = watched(
        sink=lambda numbers, step: given.update({step: numbers}), sink_every=5
    )
    train(model, optimizer, monitor, N)
    monitor.step()
    found = monitor.dataset()
    assert list(given) == [0, 5, 10]
    for step, numbers in given.items():
        assert tuple(numbers) == KEYS
        assert all(type(number) is float for number in numbers.values())
        for name in ("weight_norm", "effective_lr", "effective_grad_norm", "angular_update"):
            assert numbers[name] == pytest.approx(values(found, name)[step], rel=1e-9), name
        assert (numbers["learning_rate"], numbers["weight_decay"]) == (0.5, 1e-2)
        assert numbers["train_loss"] == values(found, "train_loss")[step]
    assert all(f"``{name}``" in Monitor.__doc__ for name in KEYS)


def test_without_a_loss_a_sink_gets_the_rest_at_the_next_step():
    given = []
    model, optimizer, monitor = watched(sink=lambda *one: given.append(one), sink_every=1)
    train(model, optimizer, None, N)
    assert [step for _, step in given] == list(range(N - 1))
    assert all(numbers.keys() == set(KEYS) - {"train_loss"} for numbers, _ in given)
    monitor.step()
    assert given[-1][1] == N - 1


def test_a_sink_is_called_as_often_as_records_allow():
    given = []
    model, optimizer, monitor = watched(
        sink=lambda _, step: given.append(step), sink_every=5, every=3, eval_every=3
    )
    train(model, optimizer, monitor, 20)
    assert given == [0, 6, 12, 15]  # the first records of steps 0 to 4, 5 to 9, ...


def test_a_sink_that_fails_is_left_out_and_training_goes_on(caplog):
    calls = []

    def sink(numbers, step):
        calls.append(step)
        if step == 2:
            raise ConnectionError("no route to the logger")

    model, optimizer, monitor = watched(sink=sink, sink_every=1)
    losses = [row[3] for row in train(model, optimizer, monitor, N)]
    plain = mlp()
    assert losses == [row[3] for row in train(plain, sgd(plain.parameters()), None, N)]
    assert calls == [0, 1, 2]
    assert len(caplog.records) == 1
    assert "sink failed at step 2" in caplog.text
    assert monitor.dataset().sizes["step"] == N


@pytest.mark.parametrize(("dtype", "lr"), [(torch.float32, 1e30), (torch.float64, 1e200)])
def test_warnings_as_errors_do_not_end_a_training_that_diverges(dtype, lr):
    given = []
    model = mlp().to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, weight_decay=0.1 / lr)
    monitor = Monitor(model, optimizer, sink=lambda *one: given.append(one), sink_every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for t, (x, y) in enumerate(batches(N)):
            loss = F.cross_entropy(model(x.to(dtype)), y)
            optimizer.zero_grad()
            loss.backward()
            if t == 6:
                model[1].weight.grad.fill_(torch.nan)
            optimizer.step()
            monitor.step(loss)
    assert not torch.isfinite(model[1].weight).all()
    assert monitor.n_steps == N
    assert [step for _, step in given] == list(range(N))
    assert monitor.dataset()["status"].item() == "diverged"


def test_steps_recorded_in_a_cuda_graph_end_the_records_with_a_sentence(monkeypatch, caplog):
    model, optimizer, monitor = watched(OPTIMIZERS["sgd"])
    train(model, optimizer, monitor, 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    train(model, optimizer, monitor, 2)
    assert monitor.reason.startswith("a step in a CUDA graph is recorded once")
    assert monitor.dataset().sizes["step"] == 3
    assert monitor.n_steps == 5


def test_decay_that_turns_the_weights_around_ends_the_record():
    """Before the first step nothing is left to save, later what was recorded is kept."""
    model, optimizer, monitor = watched(OPTIMIZERS["sgd"])
    train(model, optimizer, monitor, 3)
    optimizer.param_groups[0]["weight_decay"] = 1.5 / optimizer.param_groups[0]["lr"]
    train(model, optimizer, monitor, 2)
    assert "is not below 1: each step turns the weights around" in monitor.reason
    assert monitor.dataset().sizes["step"] == 3
    model, optimizer, monitor = watched(OPTIMIZERS["sgd"])
    optimizer.param_groups[0]["weight_decay"] = 1.5 / optimizer.param_groups[0]["lr"]
    train(model, optimizer, monitor, 2)
    with pytest.raises(ValueError, match="nothing was recorded: learning_rate \\* weight_decay"):
        monitor.dataset()
