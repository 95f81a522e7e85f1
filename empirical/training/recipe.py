"""How runs are trained, apart from rate, decay and seed; no torch, so that studies can be read."""

import math
from dataclasses import dataclass

from theory import validate
from theory.laws import schedules

TRAINED = ("scale-invariant", "all")
PRECISIONS = ("float32", "tf32", "bf16", "float64")
SMALLEST_EPS = 1e-38
MOST_EXAMPLES = 1e9
OF_TRAINING = (  # what a run is trained on and how, but not how it is measured
    "label_noise",
    "batch_size",
    "keep_last_batch",
    "full_batch",
    "augment",
    "normalised",
    "fixed_norm",
    "clip",
    "schedule",
)
COUNTS = ("train_per_class", "test_per_class", "sharpness_examples", "prediction_examples")


@dataclass(frozen=True)
class Recipe:
    """What runs have in common that are trained as one ensemble.

    Attributes:
        model: architecture; see ``empirical.networks.by_name.build``.
        data: data source; see ``empirical.data.sources.load``.
        train_per_class: training images of each class, the first in the source; 0 for all.
        test_per_class: the same for test images.
        label_noise: fraction of training labels replaced by a random class.
        batch_size: examples in a batch.
        keep_last_batch: train on the short batch at the end of an epoch too. It is a noisier one
            and blurs the sawtooth, so by default it is left out.
        full_batch: descend the mean loss over all batches of ``batch_size``, taken in a fixed
            order; with as many examples as there are, one batch and one normalisation.
        augment: crop and flip training images at random.
        trained: ``scale-invariant`` weights alone, or ``all``, with affine parameters in the
            normalisations and a last layer that is not frozen.
        normalised: with batch normalisations, as in all of theory; False takes them out, to see
            what is left without them. No weight is scale-invariant then; norms are taken over
            those that otherwise are.
        norm_eps: epsilon of the batch normalisations. torch rejects 0; the default leaves the
            loss invariant to float32 rounding.
        initial_norm: norm to which the scale-invariant weights are scaled at the start; 0 to
            leave them as drawn.
        fixed_norm: set the norm back to its start after each step, so that the effective
            learning rate stays the same (training on the sphere).
        clip: C > 0 shortens gradients to at most ``sqrt(2 C lam/eta) rho``; 0 leaves them.
            Source: Li et al. 2022 (arXiv 2202.00980).
        schedule: ``constant``, ``step``, ``cosine``, ``rising`` a thousandfold, ``probing`` with
            one rise after another, or ``growing``: without decay, at a rate that grows such that
            directions stay the same. See ``theory.laws.schedules``.
        precision: ``float32``, ``tf32`` or ``bf16`` for products and convolutions alone, or
            ``float64`` for everything: slow, a reference to hold the others against.
        sharpness_examples: number of training examples on which spherical sharpness, loss and
            gradient are measured at each evaluation; 0 for none.
        prediction_examples: number of test examples (at most all) whose class probabilities are
            kept at each evaluation; 0 for none.

    Raises:
        ValueError: for a value out of range, or options that exclude each other.
    """

    model: str = "mlp"
    data: str = "digits"
    train_per_class: int = 0
    test_per_class: int = 0
    label_noise: float = 0.0
    batch_size: int = 128
    keep_last_batch: bool = False
    full_batch: bool = False
    augment: bool = False
    trained: str = "scale-invariant"
    normalised: bool = True
    norm_eps: float = 1e-12
    initial_norm: float = 0.0
    fixed_norm: bool = False
    clip: float = 0.0
    schedule: str = "constant"
    precision: str = "float32"
    sharpness_examples: int = 0
    prediction_examples: int = 0

    def __post_init__(self) -> None:
        for name in COUNTS:
            validate.within(name, getattr(self, name), 0, MOST_EXAMPLES)
        for name in ("initial_norm", "clip"):
            validate.non_negative(name, getattr(self, name))
        validate.within("batch_size", self.batch_size, 2, MOST_EXAMPLES)
        if not 0 <= self.label_noise <= 1:
            raise ValueError(f"label_noise must be in 0 .. 1, got {self.label_noise}")
        if not (math.isfinite(self.norm_eps) and self.norm_eps >= SMALLEST_EPS):
            raise ValueError(f"norm_eps must be at least {SMALLEST_EPS:g}, got {self.norm_eps}")
        validate.one_of("trained", self.trained, TRAINED)
        validate.one_of("precision", self.precision, PRECISIONS)
        schedules.known(self.schedule)
        if self.augment and self.full_batch:
            raise ValueError("augment draws new images at each step, which full_batch excludes")
        if ":" in self.model and not self.normalised:
            raise ValueError(f"normalised = false is for our own models, got {self.model!r}")
        if (self.fixed_norm, self.schedule == "growing", self.clip > 0).count(True) > 1:
            raise ValueError("fixed_norm, clip and the growing schedule exclude each other")

    def check_run(self, weight_decay: float, momentum: float) -> None:
        """Refuse a run that this recipe cannot train.

        Raises:
            ValueError: saying which option needs which decay or momentum.
        """
        if self.fixed_norm and weight_decay > 0:
            raise ValueError(f"fixed_norm needs weight_decay = 0, got {weight_decay:g}")
        if self.clip and weight_decay == 0:
            raise ValueError("clip needs a weight_decay above 0")
        if self.schedule == "growing" and momentum:
            raise ValueError(f"the growing schedule needs momentum = 0, got {momentum:g}")

    @property
    def usual(self) -> bool:
        """Whether nothing but model, data and which weights are trained sets it apart."""
        usual = Recipe(model=self.model, data=self.data, trained=self.trained)
        return all(getattr(self, name) == getattr(usual, name) for name in OF_TRAINING)

    @property
    def update_rule(self) -> str:
        """Which exact laws hold: ``sgd``, ``growing`` (SGD without decay) or ``sphere``.

        None of them for ``unnormalised``.
        """
        if not self.normalised:
            return "unnormalised"
        if self.fixed_norm:
            return "sphere"
        return "growing" if self.schedule == "growing" else "sgd"
