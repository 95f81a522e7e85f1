"""What the report says about each figure: heading, text for those who do not see it, caption."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """Words around a figure.

    Attributes:
        heading: of the section that it stands in.
        alt: what is drawn, for screen readers.
        text: what to see in it.
        narrow: whether it is narrow enough to stand beside the claim that it shows.
    """

    heading: str
    alt: str
    text: str
    narrow: bool = False


CAPTIONS = {
    "settings": Caption(
        "Setting by setting",
        "Effective learning rate against optimizer steps for one run of each setting.",
        "One run of each setting. A sawtooth rises slowly, by weight decay, and falls within "
        "steps, when the norm jumps.",
    ),
    "trajectories": Caption(
        "Theory and network over time",
        "Training loss, weight norm and effective learning rate against optimizer steps for one "
        "run each of up to three settings; network in blue, theory in orange.",
        "One run each of a slow and a fast periodic setting and of one that is not periodic, if "
        "the study has them. Jumps happen at random times, so curves agree in shape, height and "
        "frequency, not jump by jump.",
    ),
    "phases": Caption(
        "Phase diagram",
        "Effective gradient norm against effective learning rate for one run, with the line on "
        "which the norm is stationary; network in blue, theory in orange.",
        "Below the line on which the norm is stationary decay wins and the run drifts to the "
        "right; above it the norm grows and the run is thrown to the left. The line is exact and "
        "has no free parameter. The theory lacks the noise of single batches.",
        narrow=True,
    ),
    "sphere": Caption(
        "Regimes at a fixed effective learning rate",
        "Training loss against steps for each fixed effective learning rate, and loss and "
        "effective gradient norm of the last quarter of the steps against it.",
        "With the norm held fixed nothing raises the effective learning rate. Low ones converge, "
        "each to its own gradient; in between the loss settles above zero (equilibrium); high "
        "ones do not learn (divergence). Periods come from crossing these regimes.",
    ),
    "twins": Caption(
        "Twins",
        "Distance between the directions of twin runs against optimizer steps, on a log scale, "
        "with dotted lines at the first jumps.",
        "Theory says that twins take the same path of directions w/ρ. Their distance starts at "
        "the rounding of floating point and grows through the instability of a jump: training is "
        "chaotic there. Distances come from a random projection and are good to 10 %.",
        narrow=True,
    ),
    "sharpness": Caption(
        "Gradient and sharpness as functions of the loss",
        "Spherical sharpness and effective gradient norm against loss, and the product of "
        "sharpness and effective learning rate against steps, for one run of each setting.",
        "The two laws that the reduced model needs, measured on fixed training examples. On the "
        "right the product that decides stability: full-batch descent becomes unstable at 2, "
        "noisy batches destabilise earlier.",
    ),
    "periods": Caption(
        "Period against ηλ",
        "Mean period, and mean period times intrinsic learning rate, against intrinsic learning "
        "rate: measured points with error bars, the kick model's line with its interval, and the "
        "constant baseline.",
        "Filled circles were predicted unseen, open ones were calibrated on. Error bars: standard "
        "deviation of the single periods of a run. Below, the same times ηλ, which the "
        "baseline takes for constant.",
        narrow=True,
    ),
}

MONITORED = {
    "trajectory": Caption(
        "Trajectory",
        "Loss, weight norm, effective learning rate and angle per step against optimizer steps, "
        "with the equilibrium as a dashed line where theory predicts one.",
        "Blue: training. Dashed orange: the equilibrium of this optimizer at this learning rate "
        "and decay, where theory has one.",
    ),
    "layers": Caption(
        "Layers",
        "Weight norm and effective gradient norm of each layer against optimizer steps, from "
        "violet for the first layer to yellow for the last.",
        "Each scale-invariant tensor by itself, from violet, the first, to yellow, the last. In "
        "equilibrium all turn at the same rate, whatever their norms.",
    ),
}

PAIR = Caption(
    "Periods of both",
    "Mean period, and mean period times intrinsic learning rate, against intrinsic learning rate "
    "for both studies: measured points and, where a model was calibrated, its lines.",
    "Circles and solid lines: A. Squares and dashed lines: B. Blue: networks. Orange: the model "
    "that each study has calibrated. Error bars: standard error over seeds.",
    narrow=True,
)
