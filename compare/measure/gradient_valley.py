"""Where a noisy series stops falling and rises: least squares over all valleys.

No smoothing width has to be chosen: a valley is any fall followed by any rise, each of whatever
shape, and the best of them all is found exactly.
"""

import numpy as np

from theory.arrays import FloatArray

# A rise must explain this many variances of the noise beyond what the best fall alone does. In a
# series of mere Gaussian noise, which does not fall either, a rise is then seen in 1 of 100.
MIN_GAIN = 28.0
MOST_BLOCKS = 200
FEWEST_VALUES = 8


def turn(values: FloatArray) -> int:
    """Find where a series turns from falling to rising.

    The series is averaged in at most 200 blocks, and the border k minimises the summed squares of
    the residuals of the best falling fit before it and the best rising fit from it on. Noise is
    taken from the differences of neighbouring blocks.

    Args:
        values: the series, (n,); its noise should be about the same everywhere.

    Returns:
        Index of the first value of the rise, to the width of a block; n where no rise can be told
        from noise, or where there are fewer than 8 values.
    """
    n = len(values)
    if n < FEWEST_VALUES:
        return n
    width = -(-n // MOST_BLOCKS)
    starts = np.arange(0, n, width)
    blocks = np.add.reduceat(values, starts) / np.diff(np.append(starts, n))
    falling = falling_errors(blocks)
    valley = falling + falling_errors(blocks[::-1])[::-1]
    border = int(valley.argmin())
    gain = falling[-1] - valley[border]
    floor = 1e-12 * float(np.square(blocks).sum())  # rounding
    seen = gain > MIN_GAIN * noise(blocks) ** 2 + floor
    return int(starts[border]) if seen and border < len(starts) else n


def noise(values: FloatArray) -> float:
    """Standard deviation of the noise of a series, from the median step between neighbours."""
    return float(1.4826 / np.sqrt(2) * np.median(np.abs(np.diff(values))))


def falling_errors(values: FloatArray) -> FloatArray:
    """Summed squared residuals of the best falling fit to each beginning of a series.

    Neighbours that are out of order are pooled to their mean until all means fall.

    Source: pool adjacent violators, Ayer et al. 1955 (Ann. Math. Statist. 26, 641).

    Args:
        values: (n,).

    Returns:
        (n + 1,), the error of the first k values at index k.
    """
    pools: list[tuple[float, int, float]] = []  # mean, number and squared residuals of each
    errors = np.zeros(len(values) + 1)
    total = 0.0
    for k, value in enumerate(values.tolist(), start=1):
        mean, count, error = value, 1, 0.0
        while pools and pools[-1][0] <= mean:
            before, number, own = pools.pop()
            total -= own
            together = count + number
            error += own + (mean - before) ** 2 * count * number / together
            mean = (mean * count + before * number) / together
            count = together
        pools.append((mean, count, error))
        total += error
        errors[k] = total
    return errors
