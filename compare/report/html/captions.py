"""What the report says about each figure: heading, text for those who do not see it, caption."""

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
        "frequency, not jump by jump. Shading marks the phases of the network: in A g falls, B "
        "begins at the bottom of its valley, where a rise of g can be told from noise, in C the "
        "norm grows. Noise about an equilibrium is not shaded.",
    ),
    "close_up": Caption(
        "One period in close-up",
        "Training loss, effective gradient norm, weight norm and effective learning rate over one "
        "period, with its phases shaded and the course of decay alone as a dashed line.",
        "The period of median length in the slowest periodic setting. In phase A the norm follows "
        "decay alone, a line without free parameter (dashed), while loss and gradient fall; in B "
        "the gradient rises again; in C weights turn by large angles, the norm grows, and the "
        "effective learning rate drops.",
        narrow=True,
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
        "ones do not learn (divergence). Periods come from crossing these regimes. Hollow, if "
        "any: read off the figures of Kodryan et al. 2022, whose g has the last layer in it.",
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
    "minima": Caption(
        "Minima of successive periods",
        "Test error, cosine of the weights and disagreement of predictions of the minima of "
        "successive periods against the number of the period, with error bars.",
        "The minimum of a period is the evaluation with the lowest training loss in its rise. "
        "Filled: a minimum and the next one of the same run; open: minima of the same period of "
        "two seeds. Means over seeds with their standard errors, for periods that every run of the "
        "setting has. Cosines come from a random projection, good to 0.12 for one pair.",
    ),
    "ensembles": Caption(
        "Ensembles of minima",
        "Test error of the mean class probabilities of k minima against k: successive minima of "
        "one run, first and last minima of independent runs, and single minima.",
        "k successive minima of one run cost about as many steps as the first minima of k runs; "
        "the last minima of k runs cost as many times more as a run has periods. Error bars: "
        "standard errors over seeds, by the jackknife where groups share runs. Ensembles of "
        "independent runs are shown up to half of the runs.",
    ),
    "regimes": Caption(
        "Regimes over learning rate and decay",
        "Measured and predicted regime of each setting over learning rate and weight decay, on "
        "log axes.",
        "Filled: the regime of most runs, and of how many if not of all; around it the regime that "
        "theory says. "
        "A dashed line has one ηλ, in the middle between settings of different predictions: theory "
        "says that regimes depend on the product alone.",
        narrow=True,
    ),
    "published": Caption(
        "Beside published values",
        "Mean period and effective learning rate before and after a jump against intrinsic "
        "learning rate: measured, predicted and published.",
        "Settings that match the published ones in model, data, batch, rate and decay. Published "
        "values are read off figures, epochs to about 5 and effective learning rates to about 6 %; "
        "their bars are the published ranges, those of the network standard errors over seeds.",
    ),
    "errors": Caption(
        "Who predicts the period, and by how much",
        "Relative error of the predicted mean period against intrinsic learning rate for four "
        "models, around a band of the standard error of the measurement.",
        "Each setting is predicted by models that were calibrated without it. The band is how "
        "well the mean period itself is known.",
        narrow=True,
    ),
    "calibration": Caption(
        "What calibration fits",
        "Kick, effective learning rate before and after a jump, and growing share against "
        "intrinsic learning rate: measured in blue, fits in orange.",
        "Each is a law in ln ηλ, a line or one that bends to a limit towards slow decay, as the "
        "runs and other networks say, and what takes the same number of steps at any decay, which "
        "bends it on the right. Kicks and jumps: up to the fastest setting that jumps. "
        "Error bars: standard error over cycles. Right: y = s²/(1 − 2 s) for the share s of the "
        "time during which the norm grows; above the dotted line the norm grows for "
        "more than a quarter of the time, which is called equilibrium.",
    ),
    "first_jumps": Caption(
        "The first jump from laws on the sphere",
        "Measured against predicted step of the first jump, on log scales, with the line on which "
        "they agree and a band of 30 per cent.",
        "Prediction uses gradient and sharpness of runs at a fixed norm alone. No jump of any run "
        "with weight decay has a part in it.",
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
        narrow=True,
    ),
    "ahead": Caption(
        "The next jump",
        "Probability that the next jump has begun against steps from the end of the records, with "
        "the median wait and its 90 % interval.",
        "From the exact decay and the effective learning rates at which earlier jumps of this run "
        "began. Dashed: as likely as not. Shaded: 90 % of the time the next jump begins in there.",
    ),
    "layers": Caption(
        "Layers",
        "Weight norm and effective gradient norm of each layer against optimizer steps, from "
        "violet for the first layer to yellow for the last.",
        "Each scale-invariant tensor by itself, from violet, the first, to yellow, the last. In "
        "equilibrium all turn at the same rate, whatever their norms.",
    ),
}

CHANNELS = Caption(
    "Norms of the channels",
    "Weight norms of the output channels against optimizer steps, a panel for each layer: median, "
    "quartiles, smallest and largest, with collapsed channels and the largest jump marked.",
    "All output channels of a layer together: the line is their median, the band holds half of "
    "them, the dashed lines are the smallest and the largest. Crosses: where a channel fell below "
    "the ε of the normalisation (dotted). Triangle: the end of the largest jump of one of them.",
)

PAIR = Caption(
    "Periods of both",
    "Mean period, and mean period times intrinsic learning rate, against intrinsic learning rate "
    "for both studies: measured points and, where a model was calibrated, its lines.",
    "Circles and solid lines: A. Squares and dashed lines: B. Blue: networks. Orange: the model "
    "that each study has calibrated. Error bars: standard error over seeds.",
    narrow=True,
)

FORECAST = {
    "fan": Caption(
        "The planned run",
        "Effective learning rate and weight norm against steps of the planned run, on log scales: "
        "bands that hold half and nine tenths of all paths, and one path.",
        "Where the run may be at each step: dark, half of all paths; light, nine tenths. The line "
        "above is one run as it may go: into a rest, or a slow rise and a sudden fall, again and "
        "again. Jumps come at random times, so that the bands lose the sawtooth after the first "
        "few.",
        narrow=True,
    ),
    "jumps": Caption(
        "When it jumps",
        "Expected number of jumps in equal stretches of the planned run, and of first jumps.",
        "Light: all jumps due in a stretch of the run. Dark: the first of them.",
    ),
    "pilots": Caption(
        "Pilots",
        "Growth of ln rho^2 in a period against decay: pilots with errors, the law with its band, "
        "and a line at the planned run.",
        "The period is this growth over twice the decay. Points: what the pilots showed. Line and "
        "band: what follows for slower decay. Dotted: the planned run.",
    ),
}

NORM_LAW = Caption(
    "The norm over time",
    "Weight norm and effective learning rate against optimizer steps, on log scales: the discrete "
    "recursion, the norm ODE, the equilibrium and, for a recorded run, the measured norm.",
    "Solid: the exact recursion, which is what SGD does. Dotted: the norm ODE, its limit of small "
    "steps. Dashed: where the recursion comes to rest. Broad blue, if any: the norm that was "
    "measured in the run whose gradients these are.",
    narrow=True,
)
