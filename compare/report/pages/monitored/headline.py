"""What the page of a monitored run says first: what to expect of this training, or to do."""

import numpy as np
from markupsafe import Markup

from compare.report.pages.monitored.run import Followed
from compare.report.tables.cells import count, number, percent
from theory.laws import equilibrium

NEAR = 0.1  # relative distance of the mean norm from the equilibrium that counts as there
FEW = 4.0  # relaxation times in which a fluctuation about the equilibrium fades
ROUNDING = 1e-5  # relative, of a norm over many steps
STEADY = 0.02  # drift of the norm within the last half that counts as none


def headline(run: Followed) -> Markup:
    """Whether the run ended early, is periodic, has no decay, no equilibrium, or has settled."""
    one = run.trajectories.sel(run=run.id)
    if str(one["status"].values) != "completed":
        return Markup(
            'This run <span class="fails">ended early</span>: {}. Look at the steps before step {}.'
        ).format(str(one["reason"].values), int(one["n_steps"]))
    if not run.recorded.decay and "changing decay" not in run.recorded.update_rule:
        return _without_decay(run)
    if str(run.observed["regime"].values) == "periodic":
        return _periodic(run)
    if run.settled is None:
        return Markup("No equilibrium can be predicted for this run: {}. {}").format(
            run.refusal, _drifting(run)
        )
    return _on_the_way(run, run.settled)


def _without_decay(run: Followed) -> Markup:
    """What the norm does under an optimizer that does not shrink it itself.

    That it can only grow is a law of plain gradients, which are orthogonal to the weights.
    """
    rho = run.recorded.weight_norm
    plain = run.recorded.update_rule == "sgd" and run.recorded.update_norm is None
    fall = float((1 - rho / np.maximum.accumulate(rho)).max(initial=0.0))
    if fall > STEADY:
        return Markup(
            "The weight decay of this optimizer is 0, yet the weight norm "
            '<span class="fails">has fallen</span> by {} from its highest: its own updates, a '
            "penalty in the loss or something else shrinks the weights. What comes next is not "
            "said."
        ).format(percent(fall, signed=False))
    if plain and fall < ROUNDING:
        return Markup(
            "Without weight decay the norm can only grow, and the effective learning rate only "
            "falls: expect no periods, and smaller and smaller steps."
        )
    return Markup("Without weight decay nothing in this optimizer pulls the norm back. {}").format(
        _drifting(run)
    )


def _periodic(run: Followed) -> Markup:
    """When training destabilises next and what would avoid it, or how often it did so far."""
    if run.ahead is not None:
        said, when = run.ahead.sentence(), run.ahead.when()
        before, _, after = said.partition(when)
        return Markup('{}<span class="network">{}</span>{}').format(before, when, after)
    n_jumps, period = (float(run.observed[name]) for name in ("n_jumps", "period"))
    often = (
        f"about every {number(period)} steps"
        if np.isfinite(period)
        else f"{n_jumps:.0f} time{'s' * (n_jumps > 1)} so far"
    )
    if run.recorded.scheduled:
        return Markup(
            'The weight norm <span class="network">jumps {}</span>, under a learning rate that '
            "changes: <code>sawtooth diagnose</code> tells from this file whether weight decay "
            "raises the effective one until it does, or the schedule. When it does so next is not "
            "said: {}."
        ).format(often, run.ahead_refusal)
    return Markup(
        'Training <span class="network">destabilises {}</span>: weight decay raises the effective '
        "learning rate until the norm jumps. When it does so next is not said: {}."
    ).format(often, run.ahead_refusal)


def _drifting(run: Followed) -> str:
    """Where the norm is going."""
    drift = run.measured.drift
    if not np.isfinite(drift) or abs(drift) < STEADY:
        return "The weight norm is steady."
    way, so = ("falls", "growing") if drift < 0 else ("grows", "falling")
    if run.recorded.scheduled:
        return f"The weight norm still {way}: at a constant rate, expect a {so} effective one."
    return f"The weight norm still {way}, so expect a {so} effective learning rate."


def _on_the_way(run: Followed, settled: equilibrium.Equilibrium) -> Markup:
    """Whether the norm has settled where theory says, and what comes if not."""
    last = float(run.recorded.weight_norm[-1])
    ahead = equilibrium.settling_steps(last, settled)
    near = abs(run.measured.norm / settled.norm - 1) < NEAR
    lasted = int(run.trajectories["n_steps"].sel(run=run.id)) > FEW * settled.relaxation_steps
    if (
        near
        and lasted
        and (abs(run.measured.drift) < STEADY or ahead < FEW * settled.relaxation_steps)
    ):
        return Markup(
            'The weight norm <span class="network">has settled</span> near the equilibrium of '
            'this optimizer (<span class="theory">{}</span>): expect every step to turn the '
            "weights by about {} rad from here on."
        ).format(number(settled.norm), number(settled.angular_update))
    change = (
        "the effective learning rate still falls, and steps get smaller"
        if last < settled.norm
        else "the effective learning rate still grows, and training may yet destabilise"
    )
    return Markup(
        'The weight norm <span class="network">has not settled</span>: {}. At these gradients '
        'theory expects rest at <span class="theory">{}</span> in about {} more steps.'
    ).format(change, number(settled.norm), count(round(ahead)))
