"""A quantity that scatters normally about a linear law, with the conjugate prior.

What is known after some values has a closed form, and the next value has Student's t distribution,
wide after few of them.

Source: Gelman et al. 2013, Bayesian Data Analysis, 3rd edition, section 14.8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from theory.arrays import FloatArray


@dataclass(frozen=True)
class Student:
    """Student's t distribution.

    Attributes:
        mean: its middle.
        scale: its width, above 0.
        freedom: degrees of freedom.
    """

    mean: float
    scale: float
    freedom: float

    def above(self, value: FloatArray | float) -> FloatArray:
        """Probability of more than a value, of any shape."""
        return np.asarray(stdtr(self.freedom, (self.mean - np.asarray(value)) / self.scale))


@dataclass(frozen=True)
class NormalLaw:
    """A quantity that scatters normally about a law linear in k coefficients.

    Attributes:
        coefficients: their mean, (k,).
        precision: inverse covariance of the coefficients, times the squared spread; k rows of k.
            0 where nothing is known.
        spread: standard deviation of the quantity about the law.
        freedom: degrees of freedom with which the spread is known.
    """

    coefficients: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    spread: float
    freedom: float

    def after(self, columns: FloatArray, values: FloatArray) -> NormalLaw:
        """The law once values were seen.

        Args:
            columns: what multiplies the coefficients, (n, k).
            values: of the quantity, (n,).
        """
        before, known = np.array(self.coefficients), np.array(self.precision)
        precision = known + columns.T @ columns
        mean = np.linalg.solve(precision, known @ before + columns.T @ values)
        unknown = len(before) - int(np.linalg.matrix_rank(known))  # coefficients fitted alone
        freedom = self.freedom + len(values) - unknown
        moved, misfit = mean - before, values - columns @ mean
        squares = self.freedom * self.spread**2 + misfit @ misfit + moved @ known @ moved
        return NormalLaw(
            tuple(mean.tolist()),
            tuple(tuple(row) for row in precision.tolist()),
            float(np.sqrt(squares / freedom)),
            freedom,
        )

    def at(self, *columns: float) -> Student:
        """Where the next value will be."""
        row, precision = np.array(columns), np.array(self.precision)
        doubt = row @ np.linalg.solve(precision, row)
        mean = float(row @ np.array(self.coefficients))
        return Student(mean, self.spread * float(np.sqrt(1 + doubt)), self.freedom)
