"""What a forecast cannot know of a planned run, in words."""

from compare.forecast.planned_run import PlannedRun


def sentences(run: PlannedRun, resting: float, *, jumped: bool = True) -> str:
    """What to beware of; "" where nothing is out of the ordinary.

    Args:
        run: the planned run.
        resting: probability that its network does not jump at all, by pilots that did not.
        jumped: whether any pilot did.
    """
    found = []
    if not jumped:
        found.append(
            "No pilot jumped: how often this network does, and from where, is known from others "
            "alone."
        )
    if resting:
        found.append(
            "The norm of every pilot that stayed finite came to rest without a jump. A network "
            "that cannot fit its data never jumps, however slow the decay; that this is one has a "
            f"probability of {min(round(100 * resting), 99)} %."
        )
    if run.recipe.augment:
        found.append(
            "No known network was trained on augmented images, and some that are never jump."
        )
    if run.recipe.label_noise:
        found.append(
            "No known network was trained on noisy labels: with those the first jump has come up "
            "to three times later than forecast, and jumps are fewer."
        )
    return " ".join(found)
