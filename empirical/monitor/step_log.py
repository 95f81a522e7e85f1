"""Numbers of each step, kept on their device until a chunk of them is copied at once."""

import numpy as np
import torch
from torch import Tensor

from theory.arrays import FloatArray

CHUNK = 1000  # records between copies
STEP, RATE, DECAY, WHOLE, LOSS, FIRST = range(6)


class StepLog:
    """Records of steps: a few bytes each on the device, float64 columns in main memory.

    A million records of SGD take 72 MB.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Tensor, int, float | Tensor, float, bool]] = []
        self._losses: list[float | Tensor] = []
        self._chunks: list[FloatArray] = []
        self.last_step = -1

    def append(
        self, numbers: Tensor, *, step: int, rate: float | Tensor, decay: float, whole: bool
    ) -> None:
        """Add a record; the learning rate may be a scalar on the device.

        Args:
            numbers: what was measured, (n_numbers,).
            step: number of the optimizer step.
            rate: eta.
            decay: lam.
            whole: whether every weight had a gradient.
        """
        self._waiting.append((numbers, step, rate, decay, whole))
        self._losses.append(float("nan"))
        self.last_step = step

    def set_loss(self, loss: float | Tensor) -> None:
        """Give the last record its loss, which may have been copied to main memory already."""
        if self._losses:
            self._losses[-1] = loss
        elif self._chunks:
            self._chunks[-1][-1, LOSS] = float(loss)

    def last(self) -> tuple[FloatArray, float]:
        """The numbers of the last record, copied from the device, and its loss."""
        if self._waiting:
            return self._waiting[-1][0].cpu().numpy(), float(self._losses[-1])
        return self._chunks[-1][-1, FIRST:], float(self._chunks[-1][-1, LOSS])

    @property
    def full(self) -> bool:
        """Whether a chunk should be copied."""
        return len(self._waiting) >= CHUNK

    def flush(self) -> bool:
        """Copy what waits to main memory; says whether all its numbers are finite."""
        if not self._waiting:
            return True
        numbers, steps, rates, decays, whole = zip(*self._waiting, strict=True)
        table = torch.stack(numbers).cpu().numpy()
        columns = [steps, _floats(list(rates)), decays, whole, _floats(self._losses)]
        self._chunks.append(np.column_stack([*map(np.asarray, columns), table]))
        self._waiting.clear()
        self._losses.clear()
        return bool(np.isfinite(table).all())

    def table(self) -> FloatArray:
        """All records, (n_records, 5 + n_numbers): step, rate, decay, whole, loss, numbers."""
        self.flush()
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0] if self._chunks else np.empty((0, FIRST))


def single(loss: float | Tensor) -> float | Tensor:
    """A loss that is one number; a tensor stays where it is.

    Raises:
        ValueError: for more or fewer numbers, or what is none.
    """
    if isinstance(loss, Tensor):
        if loss.numel() != 1:
            raise ValueError(f"loss must be a single number, got shape {tuple(loss.shape)}")
        return loss
    try:
        if isinstance(loss, str):
            raise TypeError("a text is no number")
        return float(np.asarray(loss).item())
    except (TypeError, ValueError, RuntimeError) as error:  # torch's, of tensors with a gradient
        shape = getattr(loss, "shape", None)
        got = repr(loss)[:60] if shape is None else f"shape {tuple(shape)}"
        raise ValueError(f"loss must be a single number, got {got}") from error


def _floats(values: list[float | Tensor]) -> list[float]:
    """Numbers and scalars on a device, copied at once."""
    held = [value for value in values if isinstance(value, Tensor)]
    if not held:
        return [float(value) for value in values]
    copied = iter(torch.stack(held).double().tolist())
    return [next(copied) if isinstance(value, Tensor) else value for value in values]
