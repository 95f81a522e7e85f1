"""Toy losses by the names that the command line gives them, or by a formula."""

from collections.abc import Callable

from theory.strict_dataclass import hint
from theory.toy_losses import losses
from theory.toy_losses.losses import ToyLoss

# Two clusters of a binary problem, a wide margin apart: inputs times labels.
LOGISTIC_POINTS = ((1.0, 0.2), (0.8, -0.4), (1.2, 0.5), (0.9, -0.1))


def named_loss(text: str) -> ToyLoss:
    """Turn the LOSS of the command line into a toy loss.

    Args:
        text: ``rayleigh[:a1,a2,...]``, ``multi-block[:a1,...]``, ``isotropic[:d]``,
            ``logistic[:scale]`` or a formula such as ``"x**2/(x**2+y**2)"``.

    Raises:
        ValueError: if the numbers are bad, or the formula cannot be read or is not
            scale-invariant.
    """
    name, _, rest = text.partition(":")
    builders: dict[str, Callable[[list[float]], ToyLoss]] = {
        "rayleigh": lambda given: losses.rayleigh(given or [0.0, 1.0]),
        "multi-block": lambda given: losses.multi_block(given or [1.0, 2.0]),
        "isotropic": lambda given: losses.isotropic(_whole(given, 2)),
        "logistic": lambda given: losses.logistic(LOGISTIC_POINTS, _single(given, 10.0)),
    }
    if name not in builders:
        if ":" in text:  # no formula
            raise ValueError(f"unknown loss {name}; {hint(name, builders)}")
        return losses.custom(text)
    try:
        given = [float(number) for number in rest.split(",")] if rest else []
    except ValueError:
        raise ValueError(f"{name} takes numbers separated by commas, got {rest!r}") from None
    return builders[name](given)


def _single(given: list[float], default: float) -> float:
    if len(given) > 1:
        raise ValueError(f"logistic takes one number, got {given}")
    return given[0] if given else default


def _whole(given: list[float], default: int) -> int:
    if given and (len(given) > 1 or not given[0].is_integer()):
        raise ValueError(f"isotropic takes one whole number, got {given}")
    return int(given[0]) if given else default
