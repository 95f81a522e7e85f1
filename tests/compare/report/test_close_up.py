import numpy as np
import pytest
from matplotlib.figure import Figure

from compare.measure import over_seeds
from compare.report.figures.over_time import close_up


@pytest.fixture(scope="module")
def drawn(study):
    networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
    return networks, comparison, over_seeds.by_setting(comparison)


def test_the_median_period_of_the_slowest_setting_is_shown(drawn):
    _, comparison, settings = drawn
    period = close_up.choose(comparison, settings)
    assert period.run == str(settings["first_run"].values[0])
    landings = comparison["cycle_landing"].sel(run=period.run).values
    lengths = np.diff(landings[1:][np.isfinite(landings[1:])])
    assert period.end - period.start == np.sort(lengths)[len(lengths) // 2]
    assert landings[period.number - 1] == period.start
    assert landings[period.number] == period.end


@pytest.mark.slow
def test_the_figure_has_a_panel_for_each_quantity_with_decay_alone_in_two(drawn):
    """In phase A the dashed line of decay alone lies on the norm of the network."""
    networks, comparison, settings = drawn
    (svg,) = close_up.draw(*drawn).values()
    assert [f'id="axes_{i}"' in svg for i in range(1, 6)] == [True] * 4 + [False]
    period = close_up.choose(comparison, settings)
    axis = Figure().subplots()
    close_up._draw(axis, networks, comparison, period, "weight_norm")
    network, alone = axis.lines
    first = np.searchsorted(network.get_xdata(), period.start)
    assert alone.get_xdata().tolist() == [period.start, period.end]
    assert alone.get_ydata()[0] == network.get_ydata()[first]
    decayed = np.log(alone.get_ydata()[0] / alone.get_ydata()[1])
    steps = period.end - period.start
    assert decayed == pytest.approx(-steps * np.log1p(-float(settings["intrinsic_lr"][0])))


def test_nothing_is_drawn_without_a_period_or_of_too_few_records(drawn):
    networks, comparison, settings = drawn
    none = settings.assign(regime=("setting", ["equilibrium"] * settings.sizes["setting"]))
    assert close_up.draw(networks, comparison, none) == {}
    coarse = networks.isel(step=slice(None, None, 50))
    assert close_up.draw(coarse, comparison, settings) == {}


@pytest.mark.parametrize(
    ("name", "value"), [("update_rule", "growing"), ("momentum", 0.9), ("decay_rate_ratio", np.nan)]
)
def test_only_runs_whose_decay_is_known_are_shown(drawn, name, value):
    """The next setting takes the place of one without decay, with momentum or with a schedule."""
    _, comparison, settings = drawn
    first, second = (str(run) for run in settings["first_run"].values[:2])
    changed = comparison[name].astype(object).where(comparison["run"] != first, value)
    kind = comparison[name].dtype if name != "update_rule" else str
    other = comparison.assign({name: changed.astype(kind)})
    assert close_up.choose(other, settings).run == second
