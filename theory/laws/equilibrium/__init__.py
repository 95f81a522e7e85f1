r"""Where norm and rotation settle when the gradients' size and noise stay the same.

Gradients are random, of constant size on the unit sphere and independent of the weights and of
each other. A step then adds noise and decay removes norm; where both are equal the norm rests.
Each formula holds at any eta lam unless its docstring gives a range. ``learning_rate`` is eta and
``weight_decay`` lam, both above 0; all functions raise ValueError for an argument out of range.

Sources: W20 = Wan et al. 2020 (arXiv 2006.08419); LLA20 = Li, Lyu, Arora 2020 (2010.02916);
K24 = Kosson et al. 2024 (2305.17212).

rest           the state, and the time to it
sgd            SGD with momentum of every kind
adaptive       Adam, AdamW and their relatives
fixed_size     Lion and Muon
by_optimizer   the formula for an optimizer as it was set, or the reason why there is none
"""

from theory.laws.equilibrium.adaptive import adam_l2, adamw, nadamw, rmsprop
from theory.laws.equilibrium.fixed_size import lion, muon
from theory.laws.equilibrium.rest import Equilibrium, settling_steps
from theory.laws.equilibrium.sgd import sgd, sgd_of_torch, sgd_with_momentum

__all__ = [
    "Equilibrium",
    "adam_l2",
    "adamw",
    "lion",
    "muon",
    "nadamw",
    "rmsprop",
    "settling_steps",
    "sgd",
    "sgd_of_torch",
    "sgd_with_momentum",
]
