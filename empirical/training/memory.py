"""What training holds in memory: estimated before it starts on a CPU, measured on a GPU.

On a CPU the peak is that of what the process holds already, of the images, of what rests between
steps (weights, gradients, orders of the data), of the largest piece of work on those runs that
train side by side (a step, or an evaluation) and of all that is recorded, several times while it
is put together.
"""

import functools
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from empirical.data import sources
from empirical.data.batches import check_size
from empirical.data.images import ImageData
from empirical.device import machine
from empirical.networks import by_name
from empirical.networks.any_module import EVALUATION_BATCH
from empirical.networks.cuda_streams import N_LANES
from empirical.training.ensemble import Ensemble
from empirical.training.evaluation import POPULATION, SKETCH_LENGTH
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec
from theory.trajectory.series_file import IN_MEMORY

Shapes = list[tuple[int, ...]]

PROCESS = 870e6  # bytes of the libraries, with a report, where the system does not tell
# of what the process holds when it is asked: code that is read in with the first step and the
# report, in pieces as large as the system likes, and what the libraries put aside
READ_IN, READ_IN_AT_MOST = 0.3, 300e6
COPIES = 6.0  # of what is recorded, while it is put together, compared and written
UNCOMPARED = 2.0  # of series in memory that no theory is compared with
STREAMED = 150e6  # bytes, where they are read from their file part by part
STEP_QUANTITIES = 5  # recorded at each step, the effective rate among them; 2 more with momentum
WORK = 2.0  # bytes that a pass forward and back needs, for each that it keeps for the way back
PASS = 0.5  # and a pass forward alone, for each that it would keep
NARROW = 64  # width from which a wider network is known
PROBED = 4  # examples of a pass whose memory is counted
LANCZOS = 16  # vectors of weights, float64, that a sharpness needs
# of the free memory: evaluations come on top of what recorded steps hold on to
USABLE = 0.45


@functools.cache
def _read(source: str, train_per_class: int, test_per_class: int, noise: float) -> ImageData:
    return sources.load(
        source, train_per_class=train_per_class, test_per_class=test_per_class, label_noise=noise
    )


def images_of(recipe: Recipe) -> ImageData:
    """The images of a recipe, read once for all that share them."""
    return _read(recipe.data, recipe.train_per_class, recipe.test_per_class, recipe.label_noise)


def on_cpu(
    jobs: Sequence[tuple[Recipe, Sequence[RunSpec]]],
    *,
    eval_every: int,
    n_parallel: int,
    group_size: int = 0,
    compared: bool = False,
) -> float:
    """Bytes that the process holds at its peak when it trains these jobs on a CPU, about.

    Args:
        jobs: recipes and the runs of each, as ``Study.jobs``.
        eval_every: steps between evaluations.
        n_parallel: ensembles that train side by side.
        group_size: most runs of an ensemble; 0 for no limit.
        compared: whether theory is compared with them afterwards, for which series are in memory.

    Raises:
        ValueError: if a source or a model is unknown or does not fit the other.
    """
    images = {id(data): _bytes(data) for data in (images_of(recipe) for recipe, _ in jobs)}
    held = [_of_job(recipe, runs, n_parallel, group_size) for recipe, runs in jobs]
    resting, working = sum(one for one, _ in held), max(one for _, one in held)
    series, evaluated = recorded(jobs, eval_every=eval_every)
    held_of_series = _held(series, apart=len(jobs) == 1 and not compared)
    in_all = sum(images.values()) + resting + working + COPIES * evaluated + held_of_series
    return _process() + in_all


def recorded(
    jobs: Sequence[tuple[Recipe, Sequence[RunSpec]]], *, eval_every: int
) -> tuple[float, float]:
    """Bytes of all series of these jobs, and those of all evaluations, once."""
    n_runs = sum(len(runs) for _, runs in jobs)
    longest = max(run.n_steps for _, runs in jobs for run in runs)
    n_quantities = max(_n_quantities(recipe, runs) for recipe, runs in jobs)
    evaluated = max(_evaluated(recipe) for recipe, _ in jobs) * -(-longest // eval_every)
    return 8.0 * n_quantities * n_runs * longest, n_runs * evaluated


def _process() -> float:
    """Bytes of the process itself, whatever it trains."""
    held = machine.resident()
    return PROCESS if held is None else held + min(READ_IN * held, READ_IN_AT_MOST)


def _held(series: float, *, apart: bool) -> float:
    """Bytes of series that are in memory at once; ``apart`` where each is only written."""
    if not apart:
        return COPIES * series
    return UNCOMPARED * series if series <= IN_MEMORY else STREAMED


def _bytes(data: ImageData) -> float:
    return float(sum(one.numel() for one in (data.train_images, data.test_images)))


def _n_quantities(recipe: Recipe, runs: Sequence[RunSpec]) -> int:
    """Numbers that are recorded of a run at each step."""
    moving = any(run.momentum for run in runs) or recipe.clip > 0
    return STEP_QUANTITIES + 2 * moving + (recipe.schedule != "constant")


def _evaluated(recipe: Recipe) -> float:
    """Bytes that are recorded of a run at each evaluation."""
    data, n_layers = images_of(recipe), len(_shapes(recipe)[0])
    kept = 2 * min(recipe.prediction_examples, len(data.test_labels)) * data.n_classes
    return 8.0 * (SKETCH_LENGTH + 2 * n_layers + 8) + kept


def _of_job(
    recipe: Recipe, runs: Sequence[RunSpec], n_parallel: int, group_size: int
) -> tuple[float, float]:
    """Bytes that a job's runs hold between steps, and those of the largest work on them."""
    data, (trained, frozen, kept) = images_of(recipe), _shapes(recipe)
    width = 8 if recipe.precision == "float64" else 4
    n_runs, n_weights = len(runs), sum(map(math.prod, trained))
    n_groups = min(n_runs, max(n_parallel, -(-n_runs // group_size) if group_size else 0))
    n_ensembles = min(n_groups, n_parallel)
    at_once = min(n_runs, n_ensembles * -(-n_runs // n_groups))
    tensors = 3 + any(run.momentum for run in runs) + recipe.full_batch
    each = width * (tensors * n_weights + 2 * frozen) + 4 * len(data.train_images)
    resting = n_runs * each + n_groups * 12 * n_weights
    # a step: runs of an MLP together, of any other network one after another
    together = at_once if by_name.is_batched(recipe) else n_ensembles
    check_size(recipe, len(data.train_images))
    pixels, batch = math.prod(data.image_shape), recipe.batch_size
    kept *= width / 4
    step = 3 * width * at_once * batch * pixels + together * WORK * kept * batch
    step += width * at_once * n_weights
    # an evaluation: test images, then a sketch in float64
    examples = min(len(data.train_images), POPULATION) + len(data.test_images)
    widest = max(shape[0] for shape in trained)
    logits = (
        4 * width * widest * examples
        if by_name.is_batched(recipe)
        else PASS * kept * EVALUATION_BATCH
    )
    evaluation = together * logits + 3 * n_ensembles * width * pixels * examples
    sketch = at_once * 28 * n_weights
    sharpness = n_ensembles * recipe.sharpness_examples and n_ensembles * (
        4 * WORK * kept * min(recipe.sharpness_examples, len(data.train_images))
        + 8 * LANCZOS * n_weights
    )
    return resting, width * at_once * n_weights + max(step, evaluation, sketch, sharpness)


@functools.cache
def _shapes(recipe: Recipe) -> tuple[Shapes, int, float]:
    """Shapes of the trained weights, number of frozen ones, bytes kept of an example.

    Nothing as large as the network itself is made: an MLP is known from its widths, a wide network
    of convolutions from a narrow one, and a user's module is made anyway.
    """
    data = images_of(recipe)
    if by_name.is_mlp(recipe.model):
        pixels, *hidden, n_classes = by_name.mlp_widths(recipe.model, data)
        shapes: Shapes = [(out, into) for into, out in pairwise((pixels, *hidden))]
        # of each layer what enters its normalisation and what leaves its ReLU, float32
        kept = 4.0 * (pixels + 2 * sum(hidden))
        last, all_trained = (n_classes, hidden[-1]), recipe.trained == "all"
        return shapes + [last] * all_trained, math.prod(last) * (not all_trained), kept
    narrow, factor = by_name.narrowed(recipe, NARROW)
    with torch.random.fork_rng(devices=[]):
        module = by_name.module(narrow, data)
        kept = _kept(module, data.normalise(data.train_images[:PROBED])) / PROBED
    parameters = list(module.parameters())
    trained: Shapes = [
        (factor * one.shape[0], factor * math.prod(one.shape[1:]))
        for one in parameters
        if one.requires_grad
    ]
    frozen = factor * sum(one.numel() for one in parameters if not one.requires_grad)
    return trained, frozen, factor * kept


def _kept(module: nn.Module, images: Tensor) -> float:
    """Bytes that a pass keeps for the way back, weights aside; 0 where the module cannot pass."""
    kept: dict[int, Tensor] = {}  # holds the tensors, so that none takes the place of another

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[id(tensor)] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        try:
            module(images)
        except Exception:  # of a user's code: whoever builds the network says so
            return 0.0
    return float(sum(tensor.nbytes for tensor in kept.values()))


def largest_group(
    build: Callable[[list[RunSpec]], Ensemble], runs: Sequence[RunSpec], device: torch.device
) -> int:
    """Most runs that fit in the free memory of a GPU together, at least 1.

    Memory is taken to grow linearly with the number of runs; its slope and intercept come from
    the first step, with its evaluation, of a few runs and of one more. A few are as many as keep
    all lanes busy: each lane takes memory of its own with its first run. What libraries take
    while they look for fast kernels counts for neither: the few go before.

    Args:
        build: makes an ensemble of some of the runs.
        runs: all runs; each ensemble starts anew, so that measuring changes nothing.
        device: the GPU.
    """
    if len(runs) == 1:
        return 1
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    few, peaks = min(N_LANES, len(runs) - 1), []
    for n in (few, few, few + 1):
        try:
            peaks.append(_peak(build, list(runs[:n]), device))
        except torch.OutOfMemoryError:
            return 1  # two at most would fit; training itself reports what to change
        finally:
            torch.cuda.empty_cache()
    _, some, more = peaks
    return how_many_fit(few, some, more, USABLE * free)


def how_many_fit(few: int, some: float, more: float, available: float) -> int:
    """Number of runs, at least 1, given the bytes of a few and of one more, if all is linear."""
    each = max(more - some, some / 100)
    return max(1, few + math.floor((available - some) / each))


def _peak(
    build: Callable[[list[RunSpec]], Ensemble], runs: list[RunSpec], device: torch.device
) -> int:
    """Bytes that a first step of these runs holds at most, beyond those held before."""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    build(runs).advance(1)
    return torch.cuda.max_memory_allocated(device) - before
