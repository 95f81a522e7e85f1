"""Which weights of a network are scale-invariant, found by measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from empirical.invariance.joint_groups import joint_groups
from empirical.invariance.network_copy import Probe, Sensitivity
from theory.arrays import FloatArray

FACTORS = (0.5, 2.0)
N_COTANGENTS = 4
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
        change: largest relative change of the outputs under the factors 1/2 and 2; of the whole
            group for a jointly invariant tensor.
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
    """

    records: tuple[TensorRecord, ...]
    groups: tuple[Group, ...]
    tolerance: float

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
    max_examples: int = 16,
    seed: int = 0,
) -> ScaleInvariance:
    """Find the parameters whose scale the outputs of a network do not feel.

        >>> import torch
        >>> from sawtooth import scale_invariant_parameters
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

    Args:
        model: any network; it is not modified. Evaluated in training mode, with submodules in the
            mode that they have if the network is training.
        inputs: a batch, or the positional arguments of the network.
        keywords: its keyword arguments.
        tolerance: largest relative change of the outputs that counts as none.
        max_examples: tensors of the inputs are cut to so many along their first dimension, if
            they all have the same; a network of many layers takes seconds per example on a CPU.
        seed: of cotangents, factors and the small random move of the weights.

    Raises:
        ValueError: if the network cannot be copied, or its outputs hold no floating-point tensor
            that depends on the parameters.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    arguments, keywords = cut(arguments, dict(keywords or {}), max_examples)
    probe = Probe(model, arguments, keywords, seed=seed)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    names = list(probe.weights)
    plain = probe.sensitivity(names, n_cotangents=N_COTANGENTS)
    with probe.without_eps():
        sharp = probe.sensitivity(names, n_cotangents=N_COTANGENTS)
    silent = _rms(sharp.grad_norm) < SILENT[not probe.double] * sharp.output_norm
    cosines, sharp_cosines = _cosine(plain), _cosine(sharp)
    records = [
        _judge(probe, name, name in trained, silent[i], cosines[i], sharp_cosines[i], tolerance)
        for i, name in enumerate(names)
    ]
    open_ = [r.name for r in records if r.trained and r.verdict == "not invariant"]
    groups = _find_groups(probe, open_, tolerance)
    group_of = {name: group for group in groups for name in group.names}
    joint = tuple(_regroup(record, group_of.get(record.name)) for record in records)
    return ScaleInvariance(joint, groups, tolerance)


def _judge(
    probe: Probe,
    name: str,
    trained: bool,
    silent: bool,
    cosine: float,
    sharp_cosine: float,
    tolerance: float,
) -> TensorRecord:
    """Judge one tensor by itself, with its cosines at the network's epsilons and without them."""
    change = max(probe.change({name: factor}) for factor in FACTORS)
    verdict, unit = "not invariant", ""
    if silent:
        verdict = "no effect"
    elif change <= tolerance and cosine <= tolerance:
        verdict, unit = "invariant", _unit(probe, name, tolerance)
    elif sharp_cosine <= ROUNDING[not probe.double]:
        verdict = "broken by epsilon"
    size = probe.weights[name].numel()
    return TensorRecord(name, size, trained, verdict, unit, change, float(cosine))


def _unit(probe: Probe, name: str, tolerance: float) -> str:
    """Whether each row of an invariant tensor is invariant alone."""
    if probe.weights[name].ndim < 2:
        return "tensor"
    return "row" if probe.change({name: probe.row_factors(name)}) <= tolerance else "tensor"


def _regroup(record: TensorRecord, group: Group | None) -> TensorRecord:
    """Give a tensor the verdict on its group, if it is in one."""
    if group is None:
        return record
    verdict = "jointly invariant" if group.invariant else "broken by epsilon"
    return replace(record, verdict=verdict, unit="group", change=group.change)


def _find_groups(probe: Probe, names: Sequence[str], tolerance: float) -> tuple[Group, ...]:
    """Joint groups among the named tensors, each tried with finite factors.

    Sets with more weights in matrices come first, then those with later tensors, which are
    nearer to the norm, then those with more weights in vectors.
    """
    if not names:
        return ()
    weights = [probe.weights[name] for name in names]
    sizes = np.array([float(weight.numel()) for weight in weights])
    matrices = np.array([weight.ndim > 1 for weight in weights])
    later = 1 + LATER * np.arange(len(names)) / len(names)
    values = (np.where(matrices, sizes * later, 0), np.where(matrices, 0, sizes))
    with probe.without_eps():
        sharp = probe.sensitivity(names, n_cotangents=len(names) + N_COTANGENTS)
    groups = []
    for part in joint_groups(sharp.radial.numpy(), values):
        members = tuple(names[i] for i in part)
        change = max(probe.change(dict.fromkeys(members, factor)) for factor in FACTORS)
        groups.append(Group(members, change, change <= tolerance))
    return tuple(groups)


def _rms(values: Tensor) -> FloatArray:
    """Root mean square over the cotangents, (n_tensors,)."""
    return np.asarray(values.square().mean(dim=0).sqrt())


def _cosine(sensitivity: Sensitivity) -> FloatArray:
    """Cosine of gradient and weights, (n_tensors,); 0 without a gradient."""
    return _rms(sensitivity.radial) / np.maximum(_rms(sensitivity.grad_norm), 1e-300)


def cut(
    arguments: tuple[Any, ...], keywords: dict[str, Any], n: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The first examples of a batch, where all tensors agree on how many there are."""
    values = [*arguments, *keywords.values()]
    lengths = {len(v) if v.ndim else 0 for v in values if isinstance(v, Tensor)}
    if len(lengths) != 1 or any(isinstance(v, list | tuple | dict) for v in values):
        return arguments, keywords

    def first(value: Any) -> Any:
        return value[:n] if isinstance(value, Tensor) else value

    return tuple(map(first, arguments)), {key: first(value) for key, value in keywords.items()}
