"""Where the loss spikes, in units of its own noise and of its largest spikes."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import find_peaks, peak_widths

from theory.arrays import BoolArray, FloatArray, IntArray

MIN_SPIKES = 3  # two gaps, the fewest that can be compared
NOISES = 6.0  # of a Gaussian, reached once in 1e9 records
LEAST = float(np.log(1.5))  # a spike of ln(loss) is at least as high
OF_THE_LARGEST = 1 / 3  # of the height of the largest in ln(loss); smaller ones are its wiggles
SHARE_OF_LOG = 20  # the baseline is a running median over this part of the log
SOON = 0.1  # of the usual gap
BASE = 0.9  # share of a spike's height, from its top, at which it begins


@dataclass(frozen=True, eq=False)
class Spikes:
    """Recurring rises of ``ln(loss)`` above its running median.

    Attributes:
        peaks: record of each maximum, (n_spikes,).
        onsets: record at which each rise begins, (n_spikes,).
        heights: ``ln(loss)`` above its running median, (n_spikes,).
        single: whether a spike is one record that stands alone, (n_spikes,).
        abrupt: whether at least half of a rise happens from one record to the next, (n_spikes,).
        noise: standard deviation of ``ln(loss)`` from record to record.
        n_out: how many maxima stand out of the noise, those too that are lower than a spike.
    """

    peaks: IntArray
    onsets: IntArray
    heights: FloatArray
    single: BoolArray
    abrupt: BoolArray
    noise: float
    n_out: int = 0

    def __len__(self) -> int:
        return len(self.peaks)

    @property
    def recur(self) -> bool:
        """Whether there are enough of them to compare."""
        return len(self) >= MIN_SPIKES


def noise_of(values: FloatArray) -> float:
    """Standard deviation of what changes from record to record, robustly."""
    return float(1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2))


def find_spikes(log_loss: FloatArray) -> Spikes:
    """Find peaks that raise the loss by half at least and stand out of its noise.

    Args:
        log_loss: ``ln(loss)`` of consecutive records, (n_records,).
    """
    window = max(21, len(log_loss) // SHARE_OF_LOG) | 1
    above = log_loss - median_filter(log_loss, window, mode="nearest")
    noise = noise_of(log_loss)
    out = NOISES * noise or np.inf  # no noise, no measure of it
    least = max(NOISES * noise, LEAST)
    n_out = len(find_peaks(above, height=out, prominence=out)[0])
    peaks, found = find_peaks(above, height=least, prominence=least)
    large = found["prominences"] >= OF_THE_LARGEST * found["prominences"].max(initial=0)
    events = _events(peaks[large])
    peaks = np.array([event[above[event].argmax()] for event in events], dtype=np.int64)
    onsets = np.array(
        [
            _onset(above, before, event[0])
            for before, event in zip([0, *peaks], events, strict=False)
        ],
        dtype=np.int64,
    )
    narrow = peak_widths(above, peaks, rel_height=0.5)[0] < 2
    alone = np.array([len(event) == 1 for event in events], dtype=bool)
    single = (peaks - onsets <= 2) & narrow & alone
    firsts = [event[0] for event in events]
    abrupt = [_largest_step(above[a : b + 1]) for a, b in zip(onsets, firsts, strict=True)]
    return Spikes(peaks, onsets, above[peaks], single, np.array(abrupt, dtype=bool), noise, n_out)


def _events(peaks: IntArray) -> list[IntArray]:
    """Peaks grouped where they follow each other far sooner than usual: one burst is one spike.

    The usual gap is that in which half of the time lies.
    """
    gaps = np.sort(np.diff(peaks))
    if not len(gaps):
        return [peaks] if len(peaks) else []
    usual = gaps[np.searchsorted(np.cumsum(gaps), gaps.sum() / 2)]
    return np.split(peaks, np.flatnonzero(np.diff(peaks) >= SOON * usual) + 1)


def _onset(above: FloatArray, before: int, peak: int) -> int:
    """Last record before the peak at which the loss was near its lower quartile since the last."""
    since = above[before : peak + 1]
    base = np.quantile(since, 0.25)
    low = np.flatnonzero(since <= base + (1 - BASE) * (above[peak] - base))
    return int(before + low[-1])


def _largest_step(rise: FloatArray) -> bool:
    """Whether one step makes at least half of a rise."""
    return bool(len(rise) < 3 or np.diff(rise).max() >= 0.5 * (rise[-1] - rise[0]))
