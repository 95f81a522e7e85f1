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
        narrow: whether the figure is narrower than the page.
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
        "frequency, not jump by jump. Shading marks the phases of the network: in A g falls, B "
        "begins at the bottom of its valley, where a rise of g can be told from noise, in C the "
        "norm grows. Noise about an equilibrium has no phases.",
    ),
    "phases": Caption(
        "Phase diagram",
        "Effective gradient norm against effective learning rate for one run, with the line on "
        "which the norm is stationary; network in blue, theory in orange.",
        "Below the black line decay wins and the run drifts to the right; above it the norm grows "
        "and the run is thrown to the left. The line is exact and has no free parameter. The "
        "theory lacks the noise of single batches.",
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
        "Open circles were used for calibration, filled ones were held out. Error bars: standard "
        "deviation of the single periods of a run. Below, the same times ηλ, which the "
        "baseline takes for constant.",
        narrow=True,
    ),
}
