"""What a worker does: train the runs of one part, and keep them where others find them."""

import json
from dataclasses import replace

import torch
import xarray as xr

from compare.study import store
from compare.study.design import Study
from compare.study.parts.dealing import Part
from compare.study.parts.part_files import PartFiles
from empirical.training import train
from empirical.training.surroundings import Remote, Surroundings


def settings_of(study: Study) -> train.Settings:
    """How a study is trained, as a whole or in parts, wherever its checkpoint lies."""
    return train.Settings(
        eval_every=study.eval_every,
        device=study.device,
        group_size=study.group_size,
        graphs=study.graphs,
        checkpoint_seconds=study.checkpoint_seconds,
    )


def on_worker(part: Part, settings: train.Settings, files: PartFiles) -> xr.Dataset | None:
    """Train a part on one core or GPU, from its last checkpoint if there is one.

    Args:
        part: what to train.
        settings: device, evaluations; where the checkpoint lies is up to ``files``.
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
    trajectories = train_runs(part, settings, files if shared else None, surroundings, cores=1)
    if not shared:
        return trajectories.load()  # what it would read later is a file here
    files.keep(part, trajectories)
    return None


def train_runs(
    part: Part,
    settings: train.Settings,
    files: PartFiles | None,
    surroundings: Surroundings | None = None,
    *,
    cores: int = 0,
) -> xr.Dataset:
    """Trajectories of a part's runs, with their provenance; raises like ``on_worker``."""
    settings = replace(settings, cores=cores)
    if files is not None:
        place, config = files.checkpoint(part), files.config_of(part)
        settings = replace(settings, checkpoint=place, config=config)
    trained = train.train([train.Job(*job) for job in part.jobs], settings, surroundings)
    arithmetic = [recipe.precision for recipe, _ in part.jobs]
    provenance = store.provenance(trained.attrs.pop("device"), arithmetic)
    return trained.assign_attrs(provenance=json.dumps(provenance))
