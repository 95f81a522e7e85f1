"""The section "Try it": its JavaScript is held against Python, and so are its first numbers."""

import html as entities
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from compare import report
from compare.calibration import calibrate
from compare.report.html import page
from compare.report.pages import try_it
from compare.report.tables import cells
from theory.cycle_models import kick_model, kick_trajectories
from theory.cycle_models.log_line import LogLine
from theory.laws import decay_rate, equilibrium

from ...kick_model import LR, TRUE_MODEL
from ..javascript import dom, evaluate

pytestmark = pytest.mark.slow

TEMPLATES = Path(page.__file__).parent / "templates"
SETTINGS = [(0.5, 2e-3), (0.05, 2e-2), (0.5, 0.2), (2.0, 1e-4), (0.1, 0.9)]


def run(tmp_path, code, *files):
    scripts = [(TEMPLATES / name).read_text() for name in files or ("kick.js",)]
    return evaluate("\n".join([*scripts, code]), tmp_path)


def test_javascript_predicts_what_python_does(tmp_path):
    for model in (
        TRUE_MODEL,
        replace(TRUE_MODEL, kick=LogLine(0.01, 0.01), recovery=7.0),
    ):
        calls = ", ".join(f"kick.predict(model, {lr}, {wd})" for lr, wd in SETTINGS)
        answers = run(tmp_path, f"const model = {json.dumps(asdict(model))}; [{calls}]")
        for answer, (lr, wd) in zip(answers, SETTINGS, strict=True):
            expected = asdict(kick_model.predict(model, lr, wd))
            assert answer.pop("regime") == expected["regime"]
            assert set(answer) < set(expected)
            # the distribution function is an approximation
            chance = pytest.approx(expected["regime_probability"], abs=1e-6)
            assert answer.pop("regime_probability") == chance
            for name, value in answer.items():
                assert value == pytest.approx(expected[name], rel=1e-12), name


def test_javascript_rests_where_python_does(tmp_path):
    calls = ", ".join(f"kick.equilibrium({lr}, {wd}, 2.5)" for lr, wd in SETTINGS)
    for answer, (lr, wd) in zip(run(tmp_path, f"[{calls}]"), SETTINGS, strict=True):
        rest = equilibrium.sgd(lr, wd, 2.5)
        assert answer["equilibrium_norm"] == pytest.approx(rest.norm, rel=1e-12)
        assert answer["equilibrium_effective_lr"] == pytest.approx(rest.effective_lr, rel=1e-12)
        assert answer["angular_update"] == pytest.approx(rest.angular_update, rel=1e-12)
        assert answer["relaxation_steps"] == pytest.approx(rest.relaxation_steps, rel=1e-12)


def test_the_way_to_rest_takes_as_long_as_python_says(tmp_path):
    rest = equilibrium.sgd(0.5, 2e-3, 2.5)
    steps = equilibrium.settling_steps(6.5, rest)
    elr = run(tmp_path, f"kick.relaxing(0.5, 2e-3, 2.5, 6.5, {steps})")
    assert np.sqrt(0.5 / elr) == pytest.approx(1.01 * rest.norm, rel=1e-9)


def test_the_curve_is_the_model_without_scatter(tmp_path, monkeypatch):
    """Against ``kick_paths.simulate`` with all scatter taken out; lengths there are whole steps."""
    lr, wd, n = LR, 1e-3, 5
    still = replace(TRUE_MODEL, kick_scatter=0.0)
    monkeypatch.setattr(kick_model, "SMALLEST_SPREAD", 1e-7)
    still = replace(still, variation=LogLine(0.0, 0.0))
    cycles = run(tmp_path, f"kick.cycles({json.dumps(asdict(still))}, {lr}, {wd}, {n})")
    end = int(cycles[-1]["start"] + cycles[-1]["length"])
    drawn = kick_trajectories.simulate(still, lr, wd, n_steps=end, rng=np.random.default_rng(0))
    log_elr = np.log(lr / drawn["weight_norm"] ** 2)
    rate = decay_rate(lr * wd)
    for cycle in cycles:
        # rounding moves onsets by a step or two, each of which is worth one rate
        start, half = round(cycle["start"]), round(cycle["length"] / 2)
        assert log_elr[max(start - 3, 0) : start + 4].max() == pytest.approx(
            cycle["log_elr"], abs=4 * rate
        )
        call = f"kick.within({json.dumps(cycle)}, {half})"
        assert run(tmp_path, call) == pytest.approx(log_elr[start + half], abs=4 * rate)


def test_numbers_are_printed_as_tables_print_them(tmp_path):
    values = [0.0123456, 1234.6, 0.97, 3.2e-5, 0, 99999, 1e5, 1e-12, 55.55, 0.2, 123456789]
    texts = run(tmp_path, f"{json.dumps(values)}.map(shown)", "kick.js", "try.js")
    assert texts == [cells.number(value) for value in values]


def readings_of(html):
    found = re.findall(r'data-reading="(\w+)">(.*?)</b>', html)
    return {name: entities.unescape(text) for name, text in found}


def sliders_of(html):
    found = re.findall(r'<input type="range" name="(\w+)"[^>]*? value="([^"]*)"', html)
    return {name: 10 ** float(position) for name, position in found}


def test_first_numbers_come_from_python_and_stay_when_the_script_runs(study, tmp_path):
    html = report.render(study)
    lr, wd, g = (sliders_of(html)[name] for name in ("learning_rate", "weight_decay", "grad_norm"))
    model = calibrate.model_from_json(study["comparison"].attrs["calibration"])
    expected = asdict(kick_model.predict(model, lr, wd))
    first = readings_of(html)
    assert first["regime"] == expected["regime"] == "periodic"
    for name in ("period", "first_jump", "effective_lr_before_jump", "effective_lr_after_jump"):
        assert first[name] == cells.number(expected[name])
    assert first["equilibrium_norm"] == cells.number(equilibrium.sgd(lr, wd, g**2).norm)
    after = dom(html, tmp_path)
    assert readings_of(after) == first
    assert len(re.search(r'class="path" points="([^"]+)"', after)[1].split()) > 100


def test_sliders_move_the_numbers_and_refuse_what_cannot_be(study, tmp_path):
    move = """<script>const form = document.querySelector("form.try");
    form.elements.weight_decay.max = 5;
    form.elements.weight_decay.value = %s;
    form.dispatchEvent(new Event("input"));</script></body>"""
    html = report.render(study)
    lr = sliders_of(html)["learning_rate"]
    moved = dom(html.replace("</body>", move % np.log10(6e-3)), tmp_path)
    expected = equilibrium.sgd(lr, 6e-3, 1.0).relaxation_steps
    assert readings_of(moved)["relaxation_steps"] == cells.number(expected)
    assert 'class="impossible fails" role="status" hidden' in moved
    refused = dom(html.replace("</body>", move % 4), tmp_path)
    assert set(readings_of(refused).values()) == {"–"}
    assert 'class="impossible fails" role="status" hidden' not in refused


def test_closed_forms_stand_alone_without_a_model():
    names = [one.name for one in try_it.readings(None, 0.5, 2e-3, 1.0)]
    assert names == list(try_it.CLOSED_FORMS)
    settled = {one.name: one.shown for one in try_it.readings(TRUE_MODEL, 0.5, 0.9, 1.0)}
    assert settled["regime"] == "equilibrium" and settled["period"] == "–"
