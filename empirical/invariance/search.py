"""Which weights of a network are scale-invariant, found by measurement."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor, nn

from empirical.device import machine, precision
from empirical.invariance.inputs import Inputs, copied
from empirical.invariance.isolation import RandomNumbers, quiet
from empirical.invariance.joint_groups import joint_groups
from empirical.invariance.network_copy import Probe, Sensitivity
from theory.arrays import FloatArray

Unit: TypeAlias = tuple[str, ...]
Factors: TypeAlias = Callable[[str], "Tensor | float"]

COMMON: tuple[Factors, ...] = (lambda name: 0.5, lambda name: 2.0)
N_COTANGENTS = 3
FIRST_ORDER = math.log(2)
# Cosines this small are rounding: (computed in float64, computed in a lower precision).
ROUNDING = (1e-7, 1e-4)
# So are effects this small, gradient times weights over outputs.
SILENT = (1e-10, 1e-6)
LATER = 1e-2


@dataclass(frozen=True)
class TensorRecord:
    """What was measured of one tensor.

    Attributes:
        name: name of the parameter.
        n_weights: number of its weights.
        trained: whether it requires a gradient.
        verdict: ``invariant``, ``jointly invariant``, ``no effect`` (the outputs do not depend on
            it at all, e.g. a bias before a BatchNorm), ``broken by epsilon`` (invariant, if the
            epsilon of a normalisation were 0, but not within tolerance) or ``not invariant``.
        unit: the smallest part that is invariant alone: ``row`` (each slice along the first
            dimension, e.g. an output channel), ``tensor``, ``group``, or empty.
        change: largest relative change of the outputs under the factors 1/2 and 2, of all
            invariant tensors that were tried in one test, or of the jointly invariant group; for
            a tensor that is not invariant by a factor 2, to first order.
        cosine: of gradient and weights, root mean square over random cotangents.
    """

    name: str
    n_weights: int
    trained: bool
    verdict: str
    unit: str
    change: float
    cosine: float


@dataclass(frozen=True)
class Group:
    """Tensors that must be scaled together.

    Attributes:
        names: names of the parameters.
        change: largest relative change of the outputs under common factors 1/2 and 2.
        invariant: whether that is within tolerance; if not, an epsilon breaks the invariance.
    """

    names: tuple[str, ...]
    change: float
    invariant: bool


@dataclass(frozen=True)
class ScaleInvariance:
    """Scale-invariant weights of a network and the evidence.

    Attributes:
        records: one for each parameter, in the network's order.
        groups: tensors that are invariant only together.
        tolerance: largest relative change of the outputs that counts as none.
        hooks: names of forward and backward hooks that were left out of the copy.
    """

    records: tuple[TensorRecord, ...]
    groups: tuple[Group, ...]
    tolerance: float
    hooks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Trained tensors that are invariant, alone or in a group."""
        kinds = ("invariant", "jointly invariant")
        return tuple(one.name for one in self.records if one.trained and one.verdict in kinds)

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """Trained tensors that are invariant alone, and groups, each a tuple of names."""
        alone = [(r.name,) for r in self.records if r.trained and r.verdict == "invariant"]
        return (*alone, *(group.names for group in self.groups if group.invariant))

    def table(self) -> str:
        """The evidence as text, one line for each tensor."""
        rows = [("parameter", "weights", "verdict", "by", "change", "cosine")]
        for one in self.records:
            verdict = one.verdict if one.trained else f"{one.verdict}, frozen"
            numbers = (f"{one.change:.1e}", f"{one.cosine:.1e}")
            rows.append((one.name, f"{one.n_weights}", verdict, one.unit, *numbers))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        for group in self.groups:
            state = "together" if group.invariant else "together, but for an epsilon"
            lines.append(f"{state}, up to {group.change:.1e}: {', '.join(group.names)}")
        if self.hooks:
            lines.append(f"evaluated without the hooks {', '.join(dict.fromkeys(self.hooks))}")
        return "\n".join(lines)

    def __str__(self) -> str:
        counted = sum(one.n_weights for one in self.records if one.name in self.names)
        trained = sum(one.n_weights for one in self.records if one.trained)
        return (
            f"{counted} of {trained} trained weights are scale-invariant "
            f"(outputs change by less than {self.tolerance:g})\n{self.table()}"
        )


def scale_invariant_parameters(
    model: nn.Module,
    inputs: Tensor | Sequence[Any],
    *,
    keywords: Mapping[str, Any] | None = None,
    tolerance: float = 1e-3,
    max_examples: int = 8,
    seed: int = 0,
) -> ScaleInvariance:
    """Find the parameters whose scale the outputs of a network do not feel.

        >>> import torch
        >>> from sawtooth import scale_invariant_parameters
        >>> _ = torch.manual_seed(0)
        >>> layers = [torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2)]
        >>> found = scale_invariant_parameters(torch.nn.Sequential(*layers), torch.randn(16, 4))
        >>> found.names
        ('0.weight',)

    Everything is measured, nothing read off the architecture. On a copy of the network in float64
    (see ``Probe``) random cotangents of the outputs give ``<grad, w>`` of each tensor, which is 0
    for an invariant one (Euler), and the linear relations between those that are not, from which
    groups follow (see ``joint_groups``). This search shrinks every epsilon of the normalisations;
    the evidence does not: each candidate is multiplied by 1/2 and 2 with the network as it is, and
    is invariant if the outputs change by less than the tolerance. With BatchNorm's default epsilon
    of 1e-5 they do change a little, more the smaller the weights.

    Nothing of the process changes: not the network, its buffers, counters and gradients, nor the
    random numbers of Python, NumPy and torch. The copy runs without compilation and without the
    hooks of anybody; wrappers (``torch.compile``, data parallel) are looked through.

    Args:
        model: any network. Evaluated in training mode, with submodules in the mode that they have
            if the network is training.
        inputs: a batch, or the positional arguments of the network.
        keywords: its keyword arguments.
        tolerance: largest relative change of the outputs that counts as none.
        max_examples: tensors of the inputs are cut to so many along their first dimension, if
            they all have the same; a network of many layers takes seconds per example on a CPU.
        seed: of cotangents, factors and the small random move of the weights.

    Raises:
        ValueError: if the network cannot be copied or evaluated, or its outputs hold no
            floating-point tensor that depends on the parameters.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    batch: Inputs = copied((arguments, dict(keywords or {})))
    random = RandomNumbers(model)
    try:
        exact = precision.exact_products() if machine.uses_a_gpu() else nullcontext()
        with quiet(), exact:
            probe = Probe(model, batch, max_examples=max_examples, seed=seed, random=random)
            return _search(probe, tolerance)
    finally:
        random.restore()


def _search(probe: Probe, tolerance: float) -> ScaleInvariance:
    """Judge every tensor by itself, and what remains together."""
    names = list(probe.weights)
    probe.vary([name for name in names if name in probe.trained])
    plain = probe.sensitivity(names, n_cotangents=N_COTANGENTS)
    cosines, silent = dict(zip(names, _cosine(plain), strict=True)), _silent(probe, names, plain)
    alone = [n for n in names if n not in silent and cosines[n] <= tolerance]
    tried = _changes(probe, [(name,) for name in alone], COMMON, tolerance)
    changes = {name: change for (name,), change in tried.items()}
    invariant = [name for name in alone if changes[name] <= tolerance]
    by_row = _invariant_rows(
        probe, invariant, dict(zip(names, _rows(plain), strict=True)), tolerance
    )
    others = [name for name in names if name not in silent and name not in invariant]
    groups, sharp = _find_groups(probe, others, tolerance)
    felt = dict(zip(names, _rms(plain.radial) / plain.output_norm, strict=True))
    group_of = {name: group for group in groups for name in group.names}
    records = []
    for name in names:
        verdict, unit = "not invariant", ""
        if name in silent:
            verdict = "no effect"
        elif name in invariant:
            verdict, unit = "invariant", "row" if name in by_row else "tensor"
        elif sharp[name] <= ROUNDING[not probe.double]:
            verdict = "broken by epsilon"
        change = changes.get(name, FIRST_ORDER * felt[name])
        size, trained = probe.weights[name].numel(), name in probe.trained
        record = TensorRecord(name, size, trained, verdict, unit, change, float(cosines[name]))
        records.append(_regroup(record, group_of.get(name)))
    return ScaleInvariance(tuple(records), groups, tolerance, probe.hooks)


def _changes(
    probe: Probe, units: Sequence[Unit], tests: Sequence[Factors], tolerance: float
) -> dict[Unit, float]:
    """Largest change of the outputs in the tests of each unit, many at once where that is small.

    All units are scaled in one pass a test; where the outputs change by more than the tolerance,
    halves of the units are tried.
    """
    if not units:
        return {}
    names = [name for unit in units for name in unit]
    change = max(probe.change({name: test(name) for name in names}) for test in tests)
    if change <= tolerance or len(units) == 1:
        return dict.fromkeys(units, change)
    middle = len(units) // 2
    parts = (units[:middle], units[middle:])
    return {k: v for part in parts for k, v in _changes(probe, part, tests, tolerance).items()}


def _invariant_rows(
    probe: Probe, names: Sequence[str], felt: Mapping[str, float], tolerance: float
) -> set[str]:
    """Invariant tensors of which each slice along the first dimension is invariant alone."""
    likely = [(n,) for n in names if probe.weights[n].ndim > 1 and felt[n] <= tolerance]
    changes = _changes(probe, likely, [probe.row_factors], tolerance)
    return {name for (name,), change in changes.items() if change <= tolerance}


def _regroup(record: TensorRecord, group: Group | None) -> TensorRecord:
    """Give a tensor the verdict on its group, if it is in one."""
    if group is None:
        return record
    verdict = "jointly invariant" if group.invariant else "broken by epsilon"
    return replace(record, verdict=verdict, unit="group", change=group.change)


def _find_groups(
    probe: Probe, names: Sequence[str], tolerance: float
) -> tuple[tuple[Group, ...], dict[str, float]]:
    """Joint groups among the named tensors, each tried with finite factors; and their cosines.

    Sets with more weights in matrices come first, then those with later tensors, which are
    nearer to the norm, then those with more weights in vectors. Cosines are those without epsilon.
    """
    if not names:
        return (), {}
    with probe.without_eps():
        sharp = probe.sensitivity(names, n_cotangents=len(names) + N_COTANGENTS)
    cosines = _cosine(sharp)
    columns = [
        i
        for i, name in enumerate(names)
        if name in probe.trained and cosines[i] > ROUNDING[not probe.double]
    ]
    if not columns:
        return (), dict(zip(names, cosines, strict=True))
    weights = [probe.weights[names[i]] for i in columns]
    sizes = np.array([float(weight.numel()) for weight in weights])
    matrices = np.array([weight.ndim > 1 for weight in weights])
    later = 1 + LATER * np.arange(len(weights)) / len(weights)
    values = (np.where(matrices, sizes * later, 0), np.where(matrices, 0, sizes))
    found = joint_groups(sharp.radial.numpy()[:, columns], values)
    units = [tuple(names[columns[i]] for i in part) for part in found]
    changes = _changes(probe, units, COMMON, tolerance)
    groups = tuple(Group(unit, changes[unit], changes[unit] <= tolerance) for unit in units)
    return groups, dict(zip(names, cosines, strict=True))


def _silent(probe: Probe, names: Sequence[str], plain: Sensitivity) -> set[str]:
    """Tensors that the outputs do not depend on, up to rounding."""
    smallest = SILENT[not probe.double] * plain.output_norm
    return {n for n, size in zip(names, _rms(plain.grad_norm), strict=True) if size < smallest}


def _rms(values: Tensor) -> FloatArray:
    """Root mean square over the cotangents, (n_tensors,)."""
    return np.asarray(values.square().mean(dim=0).sqrt())


def _cosine(sensitivity: Sensitivity) -> FloatArray:
    """Cosine of gradient and weights, (n_tensors,); 0 without a gradient."""
    return _rms(sensitivity.radial) / np.maximum(_rms(sensitivity.grad_norm), 1e-300)


def _rows(sensitivity: Sensitivity) -> FloatArray:
    """The same for the slice of each tensor that is felt most, over the whole tensor's norms."""
    return _rms(sensitivity.rows) / np.maximum(_rms(sensitivity.grad_norm), 1e-300)
