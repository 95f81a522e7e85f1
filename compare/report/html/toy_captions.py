"""What the report of toys says about each figure."""

from markupsafe import Markup

from compare.report.html.captions import Caption

CAPTIONS = {
    "fixed_point": Caption(
        "Isotropic toy: fixed point and spectrum",
        "Distance of the fixed point from q = 1, phi = 2 and modulus of the eigenvalues minus "
        "1, against intrinsic learning rate; simulated points lie on the predicted lines.",
        "Points come from single simulated steps by Newton's method, without the formulas. The "
        "modulus is above 1 at every ηλ: the fixed point is an unstable spiral.",
    ),
    "oscillations": Caption(
        "Isotropic toy: small oscillations",
        "Left, excess of phi over its fixed point step by step, simulation under the dashed "
        "linear map; right, period against intrinsic learning rate with the line 2 pi over "
        "root of 8 eta lambda.",
        "Left: a run that starts 0.1 % above the fixed point follows the linear map of the "
        "spectrum and slowly spirals out. Right: the period falls with the root of ηλ; its "
        "next correction grows with √ηλ and reaches 0.9 % at ηλ = 1e-3.",
    ),
    "cycle": Caption(
        "Isotropic toy: relaxation cycle without noise",
        "Left, periods times intrinsic learning rate against intrinsic learning rate, single "
        "and mean, with the published band 1.3 to 1.5 and the limit's mean and range; right, "
        "histograms of simulation and limit.",
        Markup(
            "The mean of T ηλ, 1.46, lies in the published band, but <strong>two fifths of the "
            "single cycles do not</strong>: they scatter from 1.30 to 1.61. The prediction "
            "has no free parameter: the dilogarithm law from landing to exit, then the jump map "
            "without decay, entered at a random phase."
        ),
    ),
    "entry_exit": Caption(
        "Isotropic toy: entry and exit",
        "Left, phi at the exit against phi at the entry with the dilogarithm law and the "
        "limit 12.595; right, relative difference in per cent.",
        "The angle becomes small at the entry, shrinks while φ < 2, and is as large again "
        "only at the exit: the delay is set by the entry alone. Right: what is left is below "
        "0.1 % and comes from finite ηλ.",
    ),
    "floor": Caption(
        "Isotropic toy: cycle above a residual floor",
        "Left, mean period against intrinsic learning rate for floors of four depths F with "
        "the predicted lines; right, mean period over prediction against F times eta lambda "
        "with a band of 7 per cent.",
        Markup(
            "Gradient noise of size e<sup>−F</sup> keeps the angle from shrinking further. "
            "<strong>The 7 % hold under a condition</strong>: F ≥ 20 and Fηλ between about 0.03 "
            "and 0.1. A shallow floor (F = 10) makes cycles too short by up to a quarter; towards "
            "larger Fηλ the period turns into the cycle without floor."
        ),
    ),
    "underflow": Caption(
        "Underflow: jumps that float64 loses",
        "Weight norm against steps: the safe kernel and the 40-digit reference show three "
        "jumps at the same steps, plain float64 decays without any.",
        "Rayleigh quotient with ηλ = 1e-3. Between jumps one coordinate shrinks below 1e-308 "
        "of the other. The plain simulation loses it, and with it every jump; the safe "
        "kernel, which carries exponents, jumps at the steps of 40-digit arithmetic.",
    ),
    "blocks": Caption(
        "Multi-block toy: threshold of convergence",
        "Share of runs that converge against effective learning rate over 2 over the sum of "
        "alpha; it falls from 1 to 0 at 1 for both spectra.",
        "On the sphere at fixed effective learning rate every block converges below 2/Σα and "
        "none of the runs does above, sharp to about 1 %. A run that needs more steps than "
        "were simulated counts as not converged.",
    ),
    "noise": Caption(
        "Isotropic noise: norm and loss",
        "Mean weight norm and mean loss against intrinsic learning rate for 2 and 3 weights, "
        "with the predicted lines.",
        Markup(
            "The norm follows r* = (ησ²(d−1)/2λ)<sup>1/4</sup>. The loss follows (d−1)T/2, T = "
            "√(ηλσ²/2(d−1)), <strong>for small T only</strong>: it is the first order of an "
            "expansion, good to 2 % for ηλ ≤ 5e-4 here and too low beyond, as the norm’s law is "
            "for ηλ above about 1e-2."
        ),
    ),
    "rayleigh": Caption(
        "Rayleigh quotient: descent up to 2/L",
        "Left, largest relative change of the loss in one step against phi L over 2, crossing "
        "zero at 1; right, loss of one run against phi L with its minimum at 2.",
        "Left: worst case over 20 000 weights; L is the difference of the extreme eigenvalues. "
        "The bound is sharp, but reached only next to the minimum in the stiffest direction. "
        "Right: decay raises φ in a run, and the loss turns where φ crosses 2/L.",
    ),
    "logistic": Caption(
        "Separable logistic loss on the sphere",
        "Loss, weight norm and effective learning rate against steps at three intrinsic "
        "learning rates, with the rise by decay alone and the threshold 2 over S; below, "
        "period times intrinsic learning rate against intrinsic learning rate with the floor "
        "law and the range of the digits MLP, and effective learning rate before a jump with "
        "its prediction.",
        Markup(
            "Four points in the plane. The sawtooth has the shape that networks show: decay alone "
            "(dotted) until the effective learning rate has passed 2/S, S the curvature at the "
            "minimum, then a jump. <strong>Its periods scale differently</strong>: in networks T "
            "ηλ falls slowly with ηλ, here it rises about with its root. Long before a jump the "
            "weights have reached the minimum to rounding, which acts as a floor e<sup>−F</sup>, "
            "F ≈ 36: the gradient grows out of it only after φ = 2/S, and the dilogarithm law of "
            "that growth gives the effective learning rate before a jump (bottom right)."
        ),
    ),
    "closure": Caption(
        "Oscillator against the logistic toy",
        "Left, mean period against intrinsic learning rate, simulated and predicted, with "
        "fitted exponents; right, effective learning rate before and after a jump, simulated "
        "and predicted.",
        "Three points on an axis. Gradient and curvature were measured on the sphere, where "
        "nothing jumps; with the exact norm law they give an oscillator without any fitted "
        "number. Its periods and the effective learning rates on both sides of the jumps are "
        "those of the simulation over two decades. The exponent of the period is near −1, as "
        "there is no floor under the displacement.",
    ),
    "regimes": Caption(
        "Map of regimes",
        "Two maps of regimes over learning rate and weight decay, from simulation and from "
        "the oscillator, with dotted lines of equal intrinsic learning rate.",
        "One run of 6000 steps a cell. Convergence means that decay has not raised the "
        "effective learning rate to 2/S within the run. Dotted lines have equal ηλ. "
        "Divergence needs ηλ > 2, where decay overshoots the origin; between 1 and 2 the "
        "oscillator makes no statement.",
    ),
}
