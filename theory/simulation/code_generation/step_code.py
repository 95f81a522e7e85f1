"""Lines of generated code that turn one lane's weights p into those after a step, q.

Names in them: ``p0`` the weight, ``u0`` its square, ``eta`` and ``a`` the learning rate and the
shrink factor, ``g0`` the gradient, ``z0`` a standard normal over the norm, ``radial`` what
the normals have along the weights.
"""

from dataclasses import dataclass

import sympy

from theory.simulation.code_generation.even_forms import EvenForms
from theory.simulation.code_generation.printer import ETA, SHRINK, assignments


@dataclass(frozen=True)
class Variant:
    """Which terms a generated kernel has; every absent one saves its time.

    Attributes:
        noise: Gaussian gradient noise.
        momentum: heavy ball.
        scheduled: learning rates that change in time.
        sphere: normalise after every step, without decay.
        safe: coordinates carry exponents.
    """

    noise: bool = False
    momentum: bool = False
    scheduled: bool = False
    sphere: bool = False
    safe: bool = False


def at(name: str, k: int) -> str:
    """Element of the local array that belongs to row k of a name, in lane i."""
    return f"block[{name} + {k} * LANES + i]" if k else f"block[{name} + i]"


def normals(forms: EvenForms, *, keep: bool) -> list[str]:
    """Lines that draw the normals of a step, ``z = xi / rho``, one root for a pair of them.

    Args:
        forms: the loss.
        keep: keep the generators' next state, so that the following step has others.
    """
    _, (norm,) = assignments([forms.norm])
    state, d = ", ".join(f"s{k}" for k in range(4)), len(forms.even)
    lines = [f"s{k} = word_of({at('STATE', k)})" for k in range(4)]
    lines.append(f"inverse = 1.0 / ({norm})")
    for i in range(0, d, 2):
        lines.append(f"z{i}, z{i + 1}, {state} = normal_pair(inverse, {state})")
    lines.append(f"radial = inverse * ({' + '.join(f'p{i} * z{i}' for i in range(d))})")
    if keep:
        lines += [f"{at('STATE', k)} = float_of(np.int64(s{k}))" for k in range(4)]
    return lines


def rates(variant: Variant) -> list[str]:
    """Lines that set this step's learning rate and shrink factor."""
    if not variant.scheduled:
        return ["eta = block[RATE + i]", "a = 1.0" if variant.sphere else "a = block[SHRINK + i]"]
    return [
        "eta = block[RATE + i] * rates[step]",
        "block[RATE + i] *= block[GROW + i]",
        "a = 1.0" if variant.sphere else "a = 1.0 - eta * block[DECAY + i]",
    ]


def update(forms: EvenForms, variant: Variant) -> list[str]:
    """``q = p (a - eta R)`` or ``q = a p - eta G``, with what the coordinates share factored.

    Noise adds ``kick (p radial - z)``, with ``kick = eta sigma``.
    """
    kept = sympy.Integer(1) if variant.sphere else SHRINK
    lines, kicks = [], [""] * len(forms.even)
    if variant.noise:
        kept += sympy.Symbol("outward")
        kicks = [f" - kick * z{i}" for i in range(len(kicks))]
        lines = ["kick = eta * sigma", "outward = kick * radial"]
    updates = []
    for i, (pull, even) in enumerate(zip(forms.pulls, forms.even, strict=True)):
        # distributing eta lets the coordinates share (a + eta N / s^2) and eta / s
        pulled = sympy.Add(*(-ETA * term for term in sympy.Add.make_args(pull)))
        updates.append((kept if even else kept * sympy.Symbol(f"p{i}")) + pulled)
    code, values = assignments(updates)
    lines += code
    for i, (value, even, kick) in enumerate(zip(values, forms.even, kicks, strict=True)):
        lines.append(f"q{i} = p{i} * ({value}){kick}" if even else f"q{i} = {value}{kick}")
    return lines


def gradient(forms: EvenForms, *, noise: bool) -> list[str]:
    """``g = grad F``, with sigma times the tangential part of the normals where there is noise."""
    lines, values = assignments(list(forms.pulls))
    for i, (value, even) in enumerate(zip(values, forms.even, strict=True)):
        lines.append(f"g{i} = p{i} * ({value})" if even else f"g{i} = {value}")
        if noise:
            lines.append(f"g{i} += sigma * (z{i} - p{i} * radial)")
    return lines
