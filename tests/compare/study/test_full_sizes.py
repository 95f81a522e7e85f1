"""The published sizes: what they ask for, and two epochs of each on a few images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from compare.published import values
from compare.study import results_folder, run_study, store, toml_file

pytestmark = pytest.mark.slow

STUDIES = Path(__file__).parents[3] / "studies"
WITH_FULL = sorted(path for path in STUDIES.glob("*.toml") if "[full]" in path.read_text())
FULL = [path for path in WITH_FULL if path.stem != "digits"]  # the demo is not a published figure
BATCH = 128
FEWER, N_IMAGES = 32, 36  # of two epochs


def test_every_published_figure_has_its_size():
    names = {path.stem.removesuffix("-cifar10").removesuffix("-cifar100") for path in FULL}
    wanted = {"convnet", "resnet18", "practical", "sphere", "symmetry", "controls", "width"}
    assert names == wanted


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_full_sizes_train_as_published(path):
    """Width 32, all images, batches of 128 with the last one kept: 391 steps an epoch."""
    full = toml_file.read(path, full=True)
    assert full.seeds >= 3
    recipes = [setting.recipe for setting in full.settings]
    assert all(recipe.data.startswith("cifar") for recipe in recipes)
    sizes = {(r.batch_size, r.train_per_class, r.test_per_class) for r in recipes}
    assert sizes == {(BATCH, 0, 0)}
    assert all(recipe.keep_last_batch for recipe in recipes)
    assert max(int(recipe.model.rpartition("-")[2]) for recipe in recipes) == 32


def test_the_published_rates_are_held_out_and_1001_epochs_long():
    full = toml_file.read(STUDIES / "convnet-cifar10.toml", full=True)
    held_out = [setting for setting in full.settings if setting.role == "held_out"]
    assert [one.learning_rate for one in held_out] == list(values.PERIODS)
    assert {one.weight_decay for one in held_out} == {values.WEIGHT_DECAY}
    assert {full.length(one) for one in held_out} == {1001 * values.STEPS_PER_EPOCH}
    config = json.loads(full.to_json())
    assert all(values.is_published_recipe(setting) for setting in config["settings"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """So few images that two epochs are four steps, the second and fourth on a short batch."""
    top = tmp_path_factory.mktemp("images") / "cifar10"
    rng = np.random.default_rng(0)
    for part, count in (("train", N_IMAGES), ("test", 10)):
        for i in range(count):
            path = top / part / str(i % 10) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(path)
    return top


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_two_epochs_of_the_full_size(path, folder, tmp_path):
    given = {"data": f"folder:{folder}", "seeds": 1, "steps": 4, "batch_size": FEWER}
    if "sphere" in path.stem:
        given["sharpness_examples"] = 0  # of width 32 takes a CPU a minute a run
    full = toml_file.read(path, given, full=True)
    assert run_study.run(full, tmp_path) == []
    tree = store.read(tmp_path / results_folder.STUDY_FILE)
    networks, comparison = (tree[name].to_dataset() for name in ("empirical", "comparison"))
    assert networks.sizes["step"] == 4
    assert float(networks["epoch"][-1]) == pytest.approx(1.5)
    scale_invariant = comparison["norm_law_residual"].notnull()
    assert (comparison["norm_law_residual"].where(scale_invariant, 0) < 3e-5).all()
    assert scale_invariant.sum() >= (0 if "sphere" in path.stem else 3)
    assert (tmp_path / results_folder.REPORT_FILE).stat().st_size > 50_000
