from itertools import combinations

import numpy as np
import pytest

from compare.measure import over_seeds, phases
from compare.measure.minima import ensembles, successive
from compare.report.figures.measurements import minima as minima_figures
from compare.report.tables import minima as minima_tables
from compare.study.comparison import compare_with_theory
from theory import trajectory
from theory.trajectory import RunSpec, read_runs

from ..conftest import asked

LR, RISE, FALL, CYCLES, EVERY = 0.5, 90, 10, 4, 10
DECAYING = np.sqrt(LR / np.exp(np.linspace(-3, -2, 400)))  # no jump
EXAMPLES, CLASSES = 40, 3


def networks(n_seeds=4, noise=0.0):
    """Sawtooth runs of two settings, the loss lowest three quarters up each rise."""
    runs = [RunSpec(LR, wd, s, 100 * CYCLES) for wd in (2e-3, 4e-3) for s in range(n_seeds)]
    n, rng = len(runs), np.random.default_rng(0)
    up, down = np.linspace(0, 1, RISE, endpoint=False), np.linspace(1, 0, FALL, endpoint=False)
    log_elr = np.tile(np.concatenate([up, down]), (n, CYCLES)) - 3
    position = np.arange(100 * CYCLES) % 100
    log_loss = np.abs(position - 0.75 * RISE) / 20 + noise * rng.normal(size=(n, 100 * CYCLES))
    series = {
        "weight_norm": np.sqrt(LR / np.exp(log_elr)),
        "effective_grad_norm": np.exp(-position / 50) * np.ones((n, 1)),
        "train_loss": np.exp(log_loss),
        "angular_update": np.full((n, 100 * CYCLES), 0.1),
    }
    n_evaluations = 100 * CYCLES // EVERY
    probability = rng.dirichlet(np.ones(CLASSES), (n, n_evaluations, EXAMPLES))
    evaluations = {
        "test_error": rng.uniform(0.1, 0.2, (n, n_evaluations)),
        "direction_sketch": rng.normal(size=(n, n_evaluations, 64)),
        "test_probability": probability.astype(np.float16),
    }
    made = trajectory.build(
        runs,
        series,
        source="network",
        model="mlp",
        data="digits",
        steps_per_epoch=11,
        evaluations=evaluations,
        eval_every=EVERY,
    )
    labels = np.tile(rng.integers(CLASSES, size=EXAMPLES).astype(float), (n, 1))
    return made.assign(test_label=(("run", "test_example"), labels))


def compared(data):
    return successive.compare(data, phases.measure(read_runs(data)))


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_minimum_is_the_evaluation_of_lowest_loss_in_the_rise(noise):
    data = networks(noise=noise)
    data["train_loss"][:, 295] = 1e-30  # in a fall, which is no part of a rise
    found = compared(data)
    steps = found["minimum_step"].values
    np.testing.assert_array_equal(steps[0], [70, 170, 270, 370])
    np.testing.assert_allclose(found["minimum_train_loss"], 1.2, rtol=0.15 + 2 * noise)
    expected = data["test_error"].sel(eval_step=[70, 170, 270, 370])
    np.testing.assert_array_equal(found["minimum_test_error"], expected)


def test_the_loss_of_fixed_examples_is_taken_where_it_was_measured():
    data = networks()
    probe = np.ones(data["test_error"].shape)
    probe[:, 2], probe[:, 12] = 0.5, 0.25
    found = compared(data.assign(probe_loss=(("run", "eval_step"), probe)))
    assert found["minimum_step"].values[0, :2].tolist() == [20, 120]
    assert found["minimum_train_loss"].values[0, :2].tolist() == [0.5, 0.25]


def test_likeness_is_that_of_pairs_of_minima():
    data = networks(n_seeds=3)
    found = compared(data)
    at = data.sel(eval_step=[70, 170, 270, 370])
    unit = at["direction_sketch"].values
    unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    classes = at["test_probability"].values.argmax(-1)
    cosine, differ = found["successive_cosine"].values, found["successive_disagreement"].values
    assert cosine[1, 2] == pytest.approx(unit[1, 2] @ unit[1, 3])
    assert differ[1, 2] == (classes[1, 2] != classes[1, 3]).mean()
    assert np.isnan(cosine[:, 3]).all() and np.isnan(differ[:, 3]).all()
    other = found["independent_disagreement"].values[4, 1]  # of the second setting: runs 3 to 5
    pairs = [(classes[4, 1] != classes[r, 1]).mean() for r in (3, 5)]
    assert other == pytest.approx(np.mean(pairs))
    assert found["independent_cosine"].values[4, 1] == pytest.approx(
        np.mean([unit[4, 1] @ unit[r, 1] for r in (3, 5)])
    )


def test_a_run_without_cycles_has_no_minima_and_hurts_no_other():
    data = networks()
    still = data.copy(deep=True)
    still["weight_norm"][0] = DECAYING
    still["effective_lr"][0] = LR / DECAYING**2
    found = compared(still)
    assert np.isnan(found["minimum_step"].values[0]).all()
    assert np.isnan(found["successive_ensemble_error"].values[0]).all()
    assert np.isnan(found["best_minimum_error"].values[0])
    np.testing.assert_array_equal(
        found["minimum_step"].values[1:], compared(data)["minimum_step"][1:]
    )
    assert np.isfinite(found["independent_cosine"].values[1:]).all()


def test_ensembles_average_probabilities():
    data = networks()
    found = compared(data)
    p = data["test_probability"].sel(eval_step=[70, 170, 270, 370]).values.astype(float)
    labels = data["test_label"].values[0]
    successive = found["successive_ensemble_error"].values
    for k in range(1, 5):
        mean = p[5, :k].mean(axis=0)
        assert successive[5, k - 1] == (mean.argmax(-1) != labels).mean()
    for name, cycle in (("first", 0), ("last", 3)):
        groups = [(4, 5), (5, 6), (5, 7)]  # those of the second setting with run 5
        errors = [(p[list(g), cycle].mean(0).argmax(-1) != labels).mean() for g in groups]
        measured = found[f"{name}_ensemble_error"].values
        assert measured[5, 1] == pytest.approx(np.mean(errors))
        assert np.isnan(measured[:, 2:]).all()  # beyond half of four runs
    test_error = data["test_error"].sel(eval_step=[70, 170, 270, 370]).values
    assert float(found["last_minimum_error"][5]) == test_error[5, 3]
    lowest = found["minimum_train_loss"].values[5].argmin()
    assert float(found["best_minimum_error"][5]) == test_error[5, lowest]


def test_agreeing_members_change_nothing_and_complementary_ones_help():
    labels = np.zeros((4, 2))
    right, wrong = [0.9, 0.1], [0.4, 0.6]
    members = np.array([[right, wrong], [wrong, right], [right, wrong], [wrong, right]])
    errors = ensembles.independent(members, labels, 2)
    assert errors[:, 0].tolist() == [0.5] * 4
    np.testing.assert_allclose(errors[:, 1], 0.5 / 3)  # one of three partners makes the same errors


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_standard_error_is_the_jackknife_over_runs(k):
    values = np.random.default_rng(k).normal(size=9)

    def mean_of_groups(rows):
        return np.mean([np.median(values[list(g)]) ** 3 for g in combinations(rows, k)])

    groups = list(combinations(range(9), k))
    of_groups = np.array([np.median(values[list(g)]) ** 3 for g in groups])
    of_runs = np.array([of_groups[[i in g for g in groups]].mean() for i in range(9)])
    left_out = np.array([mean_of_groups([j for j in range(9) if j != i]) for i in range(9)])
    expected = np.sqrt(8 / 9 * np.square(left_out - left_out.mean()).sum())
    assert ensembles.standard_error(of_runs, k) == pytest.approx(expected)


def test_groups_are_drawn_where_there_are_too_many():
    groups = ensembles._groups(20, 5)
    assert groups.shape == (500, 5)
    assert len({tuple(g) for g in groups}) == 500
    assert all(len(set(g)) == 5 for g in groups.tolist())


def test_comparison_figures_and_tables_hold_the_minima():
    data = networks()
    roles = {str(run): "held_out" for run in data["run"].values}
    _, comparison, _ = compare_with_theory(data, asked(roles))
    assert comparison["minimum_test_error"].attrs["long_name"] == "test error at the minimum"
    over_seeds.by_setting(comparison)
    assert set(minima_figures.draw(comparison)) == {"minima", "ensembles"}
    single, like, together = minima_tables.tables(comparison)
    assert [row[0] for row in single.rows] == ["ηλ = 0.001", "ηλ = 0.002"]
    assert len(like.rows) == 2
    assert [row[1] for row in together.rows] == ["1", "2"] * 2


def test_without_predictions_nothing_is_drawn():
    data = networks().drop_vars(["test_probability", "test_label"])
    found = compared(data)
    assert "successive_cosine" in found and "successive_disagreement" not in found
    assert minima_figures.draw(found.assign_coords(variant=data["variant"])) == {}
    assert compared(data.drop_vars("test_error")).sizes == {}


def described(data):
    found = compared(data)
    names = ("variant", "intrinsic_lr", "learning_rate", "weight_decay")
    return found.assign_coords({name: data[name] for name in names})


def test_a_single_period_has_a_minimum_and_no_likeness():
    found = described(networks().sel(step=slice(0, 180), eval_step=slice(0, 180)))
    assert np.isfinite(found["minimum_step"].values).sum(axis=1).tolist() == [1] * 8
    assert set(minima_figures.draw(found)) == {"minima", "ensembles"}
    single, like, _ = minima_tables.tables(found)
    assert like.rows[0][1] == "–" and like.rows[0][2] != "–"
    assert len(single.rows) == 2


def test_where_nothing_jumps_there_is_nothing_to_show():
    data = networks()
    data["weight_norm"][:] = DECAYING
    data["effective_lr"][:] = LR / DECAYING**2
    found = described(data)
    assert np.isnan(found["minimum_step"].values).all()
    assert minima_figures.draw(found) == {}
    assert [table.rows for table in minima_tables.tables(found)] == [[], [], []]


def test_means_are_over_the_periods_that_every_run_has():
    mean, error = minima_figures.mean_over_runs(np.array([[1.0, 2, 3], [3, 2, np.nan]]))
    assert mean.tolist() == [2, 2] and error.tolist() == [1, 0]
