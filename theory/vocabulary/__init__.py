"""The one vocabulary of data, tables and figures: names, labels, symbols, units, tolerances.

variable       what is known of a name
trajectories   settings and what a run records
observables    what is measured of a whole run
scores         what is said of a whole study
table          the vocabulary as tables of the documentation
attributes     writes all this into the variables of a Dataset
"""

from theory.vocabulary.observables import OBSERVABLES
from theory.vocabulary.scores import SCORES
from theory.vocabulary.trajectories import TRAJECTORIES
from theory.vocabulary.variable import Variable

VARIABLES: dict[str, Variable] = TRAJECTORIES | OBSERVABLES | SCORES


def label(name: str) -> str:
    """Long name, symbol and unit of a variable, as tables and axes carry them."""
    return VARIABLES[name].label


__all__ = ["OBSERVABLES", "SCORES", "TRAJECTORIES", "VARIABLES", "Variable", "label"]
