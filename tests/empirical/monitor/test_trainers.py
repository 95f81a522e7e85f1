"""Real trainings by Lightning, accelerate and the Trainer of transformers, watched and not."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from compare.measure.laws import exact_laws
from empirical.monitor.monitor import Monitor
from theory.trajectory import read_runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # the trainers' own
]
N = 24


class Noisy(nn.Module):
    """Draws from all generators of the process, and counts."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(20, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU())
        self.last = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 5))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        noise = random.random() * np.random.random()  # noqa: NPY002
        return self.last(self.hidden(x)) * (1 + 0.1 * noise)


def batches(**options):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32 * N, 20, generator=generator)
    y = torch.randint(5, (32 * N,), generator=generator)
    return DataLoader(TensorDataset(x, y), batch_size=32, **options)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-2)


def with_lightning(watch, model, *, forward=True, **options):
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x)

        def training_step(self, batch):
            return F.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self):
            optimizer = sgd(self)
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2 * N)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    class Watch(lightning.Callback):
        def on_train_start(self, trainer, module):
            self.monitor = Monitor(module, trainer.optimizers[0])

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    watches = [Watch()] if watch else []
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=watches, **quiet, **options
    )
    trainer.fit(Module(), batches())
    return watches[0].monitor if watch else None


def with_accelerate(watch, model, **options):
    import accelerate

    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = accelerate.Accelerator(cpu=True, **options)
    model, optimizer, loader = accelerator.prepare(model, sgd(model), batches())
    monitor = Monitor(model, optimizer) if watch else None
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = F.cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            if monitor is not None:
                monitor.step(loss)
            optimizer.zero_grad()
    return monitor


def with_transformers(watch, model, tmp_path, **options):
    import transformers

    class Labelled(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x, labels):
            logits = self.model(x)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    class Watch(transformers.TrainerCallback):
        def on_train_begin(self, args, state, control, *, model, optimizer, **others):
            self.monitor = Monitor(model, optimizer)

    quiet = {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "use_cpu": True}
    arguments = transformers.TrainingArguments(
        str(tmp_path),
        num_train_epochs=1,
        per_device_train_batch_size=32,
        optim="sgd",
        learning_rate=0.2,
        weight_decay=1e-2,
        **quiet,
        **options,
    )
    rows = [{"x": x, "labels": y} for x, y in batches().dataset]
    watches = [Watch()] if watch else []
    transformers.Trainer(Labelled(), arguments, train_dataset=rows, callbacks=watches).train()
    return watches[0].monitor if watch else None


def trained(train, watch, **options):
    """Weights, counters and random numbers after a training, and its monitor."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    model = Noisy()
    monitor = train(watch, model, **options)
    of_numpy = np.random.get_state()[1].tolist()  # noqa: NPY002
    after = random.getstate(), of_numpy, torch.get_rng_state().tolist()
    return model.state_dict(), (model.calls, *after), monitor


CASES = {
    "lightning": (with_lightning, {}, N),
    "lightning accumulates and clips": (
        with_lightning,
        {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5},
        N // 2,
    ),
    "lightning in bfloat16": (with_lightning, {"precision": "bf16-mixed"}, N),
    "accelerate": (with_accelerate, {}, N),
    "accelerate accumulates": (with_accelerate, {"gradient_accumulation_steps": 2}, N // 2),
    "accelerate in bfloat16": (with_accelerate, {"mixed_precision": "bf16"}, N),
    "transformers": (with_transformers, {}, N),
    "transformers accumulates": (
        with_transformers,
        {"gradient_accumulation_steps": 2, "max_grad_norm": 0.5},
        N // 2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_trainers_train_the_same_and_obey_the_law(case, request):
    train, options, n_steps = CASES[case]
    pytest.importorskip(train.__name__.removeprefix("with_"))  # an import may draw random numbers
    if train is with_transformers:
        options = {**options, "tmp_path": request.getfixturevalue("tmp_path")}
    weights, others, monitor = trained(train, True, **options)
    plain, plain_others, _ = trained(train, False, **options)
    assert others == plain_others
    for name, value in plain.items():
        assert torch.equal(weights[name], value), name
    assert [name.rpartition("hidden")[2] for name in monitor.names] == [".0.weight"]
    assert (monitor.n_steps, monitor.reason) == (n_steps, "")
    found = monitor.dataset()
    laws = exact_laws.check_laws(read_runs(found))
    assert float(laws["norm_law_residual"][0]) < 3e-6
    known = np.isfinite(found["train_loss"].values)
    assert known.all() if train is not with_transformers else not known.any()


def test_lightning_gives_the_whole_loss_where_it_accumulates_batches():
    lightning = pytest.importorskip("lightning")
    losses = []

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Noisy()

        def training_step(self, batch):
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            return sgd(self)

    class Watch(lightning.Callback):  # as examples/lightning_training.py
        def on_train_start(self, trainer, module):
            self.monitor = Monitor(module.model, trainer.optimizers[0])

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            self.monitor.step(outputs["loss"] * trainer.accumulate_grad_batches)

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    options = {"max_epochs": 1, "accelerator": "cpu", "accumulate_grad_batches": 4}
    watch = Watch()
    lightning.Trainer(**options, **quiet, callbacks=[watch]).fit(Module(), batches())
    found = watch.monitor.dataset()["train_loss"].values[0]
    assert found == pytest.approx(losses[3::4], rel=1e-6)


def test_loggers_of_trainers_take_the_numbers(tmp_path):
    lightning = pytest.importorskip("lightning")
    from lightning.pytorch.loggers import CSVLogger

    model = nn.Sequential(nn.Linear(20, 16, bias=False), nn.BatchNorm1d(16))

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def training_step(self, batch):
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return sgd(self)

    class Watch(lightning.Callback):
        def on_train_start(self, trainer, module):
            options = {"sink": trainer.logger.log_metrics, "sink_every": 10}
            self.monitor = Monitor(module.model, trainer.optimizers[0], **options)

    watch = Watch()
    lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[watch],
        logger=CSVLogger(tmp_path),
        enable_checkpointing=False,
        enable_progress_bar=False,
    ).fit(Module(), batches())
    (path,) = tmp_path.rglob("metrics.csv")
    rows = [line.split(",") for line in path.read_text().splitlines()]
    norms = [float(row[rows[0].index("weight_norm")]) for row in rows[1:]]
    recorded = watch.monitor.dataset()["weight_norm"].values[0]
    assert norms == pytest.approx(recorded[[0, 10, 20]])
    assert [row[rows[0].index("step")] for row in rows[1:]] == ["0", "10", "20"]
