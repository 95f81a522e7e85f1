"""``sawtooth predict``: closed forms, or a calibrated model, for one learning rate and decay."""

import argparse
import json
import math
from collections.abc import Mapping
from typing import Any

from compare.cli.parsing import DONE, Commands, as_count, as_path

OF_THE_OPTIMIZER = ("grad_norm", "momentum", "n_weights", "beta1", "beta2", "rho0")
IN_WORDS = ("rest_probability", "caution")  # said in the sentence at the end
UNITS = {
    "angular_update": " rad per step",
    "relaxation_steps": " steps",
    "period": " steps",
    "period_low": " steps: 5 % of periods are shorter",
    "period_high": " steps: 5 % of periods are longer",
    "mean_period_low": " steps: 5 % chance that the mean is less",
    "mean_period_high": " steps: 5 % chance that the mean is more",
    "first_jump": " steps",
    "first_jump_low": " steps: 5 % of first jumps come earlier",
    "first_jump_high": " steps: 5 % of first jumps come later",
    "steps": " steps of the run",
    "pilot_steps": " steps of all pilots together",
    "extrapolation": ": decay of the nearest setting that was seen, over this one's",
    "settling_steps": " steps to within 1 % of the equilibrium norm",
}


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("predict", help="closed forms for one learning rate and decay")
    parser.add_argument("--lr", type=float, required=True, help="learning rate")
    parser.add_argument("--wd", type=float, required=True, help="weight decay")
    parser.add_argument(
        "--from",
        dest="study",
        type=as_path,
        metavar="STUDY.nc",
        help="predict period, jumps and regime with the laws that this study has calibrated; "
        "of the options below it takes --steps and --json alone",
    )
    parser.add_argument("--steps", type=as_count, help="length of the run, with --from")
    parser.add_argument(
        "--optimizer",
        choices=("sgd", "adamw", "adam", "lion"),
        help="sgd (default); adam is Adam with L2 regularisation; adamw and lion decay the weights "
        "themselves",
    )
    parser.add_argument(
        "--grad-norm",
        type=float,
        help="root mean square effective gradient norm (weight norm times gradient norm); needed "
        "for sgd and for adam, where it counts as spread evenly over the weights; adamw and lion "
        "do not depend on it",
    )
    parser.add_argument("--momentum", type=float, help="of sgd (default: none)")
    parser.add_argument("--n-weights", type=int, help="scale-invariant weights; not for sgd")
    parser.add_argument("--beta1", type=float, help="of adam, adamw, lion (default: 0.9)")
    parser.add_argument(
        "--beta2", type=float, help="of adam, adamw (default: 0.999), lion (default: 0.99)"
    )
    parser.add_argument("--rho0", type=float, help="initial weight norm, for the way there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the prediction, as lines with a sentence of meaning, or as JSON."""
    result = _from_study(options) if options.study else _closed_forms(options)
    print(json.dumps(result, allow_nan=False) if options.json else as_lines(result))
    return DONE


def _closed_forms(options: argparse.Namespace) -> dict[str, Any]:
    from compare.predict.closed_forms import predict

    if options.steps is not None:
        raise ValueError("--steps goes with --from")
    given = {name: getattr(options, name) for name in OF_THE_OPTIMIZER}
    try:
        return predict(options.lr, options.wd, optimizer=options.optimizer or "sgd", **given)
    except ValueError as error:
        raise ValueError(_as_flags(str(error))) from error


def _from_study(options: argparse.Namespace) -> dict[str, Any]:
    from compare.predict.from_study import predict_from_study

    for name in ("optimizer", *OF_THE_OPTIMIZER):
        if getattr(options, name) is not None:
            raise ValueError(f"{_flag(name)} does not go with --from: the study knows it")
    return predict_from_study(options.study, options.lr, options.wd, options.steps)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _as_flags(sentence: str) -> str:
    """A sentence that speaks of the options by the names that they have on the command line."""
    for name in (*OF_THE_OPTIMIZER, "optimizer"):
        sentence = sentence.replace(name, _flag(name))
    return sentence


def as_lines(result: Mapping[str, Any]) -> str:
    """One line for each value, with its unit, and what they mean."""
    width = max(map(len, result))
    lines = [
        f"{name:{width}}  {_shown(value)}{UNITS.get(name, '')}"
        for name, value in result.items()
        if value is not None and name not in IN_WORDS
    ]
    return "\n".join([*lines, "", meaning(result)])


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_digits, value))
    return str(value) if isinstance(value, str | int) else _digits(value)


def _digits(value: float) -> str:
    """Four significant digits, without an exponent where that can be read."""
    return f"{float(f'{value:.4g}'):.10g}"


def meaning(result: Mapping[str, Any]) -> str:
    """What a prediction means, in a sentence."""
    if "regime" not in result:
        degrees = math.degrees(result["angular_update"])
        return (
            f"If training settles, the weight norm comes to rest near "
            f"{_digits(result['equilibrium_norm'])}, where each step turns the weights by "
            f"{degrees:.2g} degrees; small deviations fade within about "
            f"{_digits(result['relaxation_steps'])} steps."
        )
    from compare.predict.outlook import far

    return " ".join(filter(None, (_of_regime(result), far(result), result.get("caution"))))


def _of_regime(result: Mapping[str, Any]) -> str:
    """What happens to a run, in a sentence."""
    if result["regime"] == "periodic":
        return (
            f"Training is expected to destabilise for the first time near step "
            f"{result['first_jump']:.0f}, and again about every {result['period']:.0f} steps."
        )
    if result["regime"] == "convergence":
        return "The run is expected to end before it destabilises for the first time."
    if result["regime"] == "divergence":
        return "The run is expected to stop being finite: pilots did."
    return "The weight norm is expected to settle into an equilibrium, without periods."
