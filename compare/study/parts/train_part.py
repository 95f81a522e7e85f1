"""What a worker does: train the runs of one part, and keep them where others find them."""

import json
from dataclasses import dataclass

import torch
import xarray as xr

from compare.study import store
from compare.study.parts.dealing import Part
from compare.study.parts.part_files import PartFiles
from empirical.training import train
from empirical.training.surroundings import Remote, Surroundings


@dataclass(frozen=True)
class How:
    """How to train a part, the same for all parts of a study.

    Attributes:
        eval_every: steps between evaluations.
        device: ``auto``, ``cpu`` or ``cuda``.
        graphs: on a GPU, replay steps as CUDA graphs.
        checkpoint_seconds: time between checkpoints.
    """

    eval_every: int
    device: str
    graphs: bool
    checkpoint_seconds: float


def on_worker(part: Part, how: How, files: PartFiles) -> xr.Dataset | None:
    """Train a part on one core or GPU, from its last checkpoint if there is one.

    Args:
        part: what to train.
        how: device, evaluations, checkpoints.
        files: where parts are kept. A worker that does not see that folder keeps no checkpoint.

    Returns:
        Nothing where the part is in its file; its trajectories where the folder is not seen.

    Raises:
        ValueError: as ``empirical.training.train.train``.
        Interrupted: when asked to stop, after the checkpoint was written.
    """
    torch.set_num_threads(1)
    shared = files.seen()
    surroundings = Remote(
        stop_file=files.stop_file, steps_file=files.steps_file(part) if shared else None
    )
    trajectories = train_runs(part, how, files if shared else None, surroundings, cores=1)
    if not shared:
        return trajectories.load()  # what it would read later is a file here
    files.keep(part, trajectories)
    return None


def train_runs(
    part: Part,
    how: How,
    files: PartFiles | None,
    surroundings: Surroundings | None = None,
    *,
    cores: int = 0,
) -> xr.Dataset:
    """Trajectories of a part's runs, with their provenance; raises like ``on_worker``."""
    settings = train.Settings(
        eval_every=how.eval_every,
        device=how.device,
        graphs=how.graphs,
        cores=cores,
        checkpoint=files.checkpoint(part) if files else None,
        checkpoint_seconds=how.checkpoint_seconds,
        config=files.config_of(part) if files else "",
    )
    trained = train.train([train.Job(*job) for job in part.jobs], settings, surroundings)
    arithmetic = [recipe.precision for recipe, _ in part.jobs]
    provenance = store.provenance(trained.attrs.pop("device"), arithmetic)
    return trained.assign_attrs(provenance=json.dumps(provenance))
