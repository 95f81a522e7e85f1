"""Studies as frozen dataclasses that refuse what cannot be run."""

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace

from empirical.training.recipe import Recipe
from theory import validate
from theory.trajectory import RunSpec, setting_id
from theory.trajectory.regimes import NO_JUMPS, REGIMES

ROLES = ("calibration", "held_out")
LONGEST_RUN = 1e9
LONGEST_NAME = 100  # characters: it names files and runs
MOST_RUNS = 100_000
MOST_TOY_CYCLES = 1000  # records of all of them are held at once
OF_THE_LOSS = ("model", "data", "batch_size", "full_batch", "label_noise", "train_per_class")
RECIPE_KEYS = tuple(one.name for one in fields(Recipe))


@dataclass(frozen=True)
class Setting:
    """A learning rate and decay of a study, and how its runs are trained.

    Attributes:
        learning_rate: eta, above 0.
        weight_decay: lam, 0 or more.
        recipe: model, data, batches and the like; what a table leaves out is the study's.
        momentum: heavy-ball coefficient.
        variant: what distinguishes the setting from others of the same numbers; "" for nothing.
        role: ``calibration`` (the model is fitted to it) or ``held_out``.
        steps: length of its runs; 0 to take the study's, or derive it from its ``cycles``.
        expect: the regime that its author expects, or ``no jumps``, to be held against what is
            measured; "" for nothing.
        twin_of: variant of the setting whose directions these runs are to follow; "" for none.
        sphere: variant of the setting at fixed norm whose laws predict the first jump of these
            runs; "" for none.
    """

    learning_rate: float
    weight_decay: float
    recipe: Recipe = field(default_factory=Recipe)
    momentum: float = 0.0
    variant: str = ""
    role: str = "held_out"
    steps: int = 0
    expect: str = ""
    twin_of: str = ""
    sphere: str = ""

    def __post_init__(self) -> None:
        validate.setting(self.learning_rate, self.weight_decay)
        validate.fraction("momentum", self.momentum)
        validate.within("steps", self.steps, 0, LONGEST_RUN)
        self.recipe.check_run(self.weight_decay, self.momentum)
        validate.within("length of variant", len(self.variant), 0, LONGEST_NAME)
        validate.one_of("role", self.role, ROLES)
        if self.expect:
            validate.one_of("expect", self.expect, (*REGIMES, NO_JUMPS))

    @property
    def id(self) -> str:
        """Readable name, different for different settings of a study."""
        numbers = (self.learning_rate, self.weight_decay)
        return setting_id(*numbers, momentum=self.momentum, variant=self.variant)


@dataclass(frozen=True)
class Study:
    """The unit of work a user runs: which networks, on what, for how long.

    Attributes:
        name: names the results folder.
        title: heading of the report.
        settings: learning rates and decays, with their recipes and roles.
        about: what the study shows, a paragraph for the report; "" for none.
        seeds: runs per setting.
        steps: length of the runs of settings that do not give theirs; 0 to derive it.
        cycles: length of a run in expected cycles, where no number of steps is given.
        cycle_constant: expected period times eta*lam, to turn cycles into steps.
        eval_every: steps between evaluations on the test set.
        device: ``auto``, ``cpu`` or ``cuda``.
        group_size: most runs trained as one; 0 for as many as fit. Fewer need less memory.
        graphs: replay steps as CUDA graphs on a GPU, where the model allows it.
        checkpoint_seconds: time between checkpoints while training.
        leave_one_out: predict each setting by a model calibrated on all others, instead of
            going by the settings' roles.
    """

    name: str
    title: str
    settings: tuple[Setting, ...]
    about: str = ""
    seeds: int = 8
    steps: int = 0
    cycles: float = 10.0
    cycle_constant: float = 0.7
    eval_every: int = 100
    device: str = "auto"
    group_size: int = 0
    graphs: bool = True
    checkpoint_seconds: float = 10.0
    leave_one_out: bool = False

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not self.settings:
            raise ValueError("settings must hold at least one [[settings]] table")
        validate.within("seeds", self.seeds, 1, MOST_RUNS)
        if len(self.settings) * self.seeds > MOST_RUNS:
            raise ValueError(
                f"a study must have at most {MOST_RUNS} runs, "
                f"got {len(self.settings)} settings with {self.seeds} seeds each"
            )
        validate.non_negative("checkpoint_seconds", self.checkpoint_seconds)
        validate.within("eval_every", self.eval_every, 1, LONGEST_RUN)
        validate.within("steps", self.steps, 0, LONGEST_RUN)
        validate.within("group_size", self.group_size, 0, MOST_RUNS)
        validate.positive("cycles", self.cycles)
        validate.positive("cycle_constant", self.cycle_constant)
        if self.leave_one_out and any(one.role == "calibration" for one in self.settings):
            raise ValueError("leave_one_out goes without settings of the role calibration")
        names = Counter(setting.id for setting in self.settings)
        for setting in self.settings:
            if names[setting.id] > 1:
                raise ValueError(f"settings names {setting.id} twice; give them different variants")
            self._check_length(setting)
            if setting.twin_of:
                self._other(setting, "twin_of")
            if setting.sphere:
                self._check_sphere(setting)

    def _other(self, setting: Setting, key: str) -> Setting:
        """The setting that a key of another one names by its variant."""
        wanted = getattr(setting, key)
        found = [one for one in self.settings if one.variant == wanted]
        if len(found) != 1 or found[0] is setting:
            raise ValueError(f"{key} must be the variant of one other setting, got {wanted!r}")
        return found[0]

    def _check_sphere(self, setting: Setting) -> None:
        """Refuse laws from runs that have none, or for runs that have no decay."""
        recipe = self._other(setting, "sphere").recipe
        if not (recipe.fixed_norm and recipe.sharpness_examples and recipe.schedule == "rising"):
            raise ValueError(
                "sphere must name a setting with fixed_norm = true, schedule = 'rising' and "
                f"sharpness_examples, got {setting.sphere!r}"
            )
        own, theirs = (
            [getattr(one, key) for key in OF_THE_LOSS] for one in (setting.recipe, recipe)
        )
        if own != theirs:
            raise ValueError(
                f"{setting.id} and its sphere {setting.sphere!r} must agree in "
                f"{', '.join(OF_THE_LOSS)}"
            )
        if setting.weight_decay == 0 or setting.recipe.fixed_norm or setting.momentum:
            raise ValueError(
                f"sphere is for settings with decay and no momentum, got it in {setting.id}"
            )

    def _check_length(self, setting: Setting) -> None:
        """Refuse a setting whose number of steps does not follow or is too large."""
        if setting.steps or self.steps:
            return
        if setting.weight_decay == 0:
            raise ValueError("a setting without weight_decay needs its number of steps")
        intrinsic_lr = setting.learning_rate * setting.weight_decay
        if not self.cycles * self.cycle_constant <= LONGEST_RUN * intrinsic_lr:
            raise ValueError(
                f"a run must have at most {LONGEST_RUN:g} steps, got cycles = {self.cycles:g} "
                f"at learning_rate * weight_decay = {intrinsic_lr:g}"
            )

    def runs_of(self, setting: Setting) -> list[RunSpec]:
        """The runs of a setting, one a seed."""
        rate, decay, length = setting.learning_rate, setting.weight_decay, self.length(setting)
        return [
            RunSpec(rate, decay, seed, length, setting.momentum, setting.variant)
            for seed in range(self.seeds)
        ]

    @property
    def runs(self) -> list[RunSpec]:
        """All runs, setting by setting."""
        return [run for setting in self.settings for run in self.runs_of(setting)]

    @property
    def jobs(self) -> list[tuple[Recipe, tuple[RunSpec, ...]]]:
        """Runs that can be trained as one: of the same recipe, all with momentum or none."""
        jobs: dict[tuple[Recipe, bool], list[RunSpec]] = {}
        for setting in self.settings:
            key = (setting.recipe, setting.momentum > 0)
            jobs.setdefault(key, []).extend(self.runs_of(setting))
        return [(recipe, tuple(runs)) for (recipe, _), runs in jobs.items()]

    @property
    def precisions(self) -> list[str]:
        """Arithmetic in which its settings are trained."""
        return [setting.recipe.precision for setting in self.settings]

    @property
    def roles(self) -> dict[str, str]:
        """Role of each run by its id."""
        return {run.id: s.role for s in self.settings for run in self.runs_of(s)}

    @property
    def recipes(self) -> dict[str, Recipe]:
        """How each run is trained, by its id."""
        return {run.id: s.recipe for s in self.settings for run in self.runs_of(s)}

    @property
    def expected(self) -> dict[str, str]:
        """Regime that the study expects, by run id; "" where nothing is said."""
        return {run.id: s.expect for s in self.settings for run in self.runs_of(s)}

    @property
    def twins(self) -> dict[str, str]:
        """Run id of the twin of the same seed, for each run that has one."""
        return {
            run.id: twin.id
            for setting in self.settings
            if setting.twin_of
            for run, twin in zip(
                self.runs_of(setting), self.runs_of(self._other(setting, "twin_of")), strict=True
            )
        }

    @property
    def spheres(self) -> dict[str, tuple[str, ...]]:
        """Ids of the sphere runs whose laws predict a run's first jump, by its id."""
        return {
            run.id: tuple(one.id for one in self.runs_of(self._other(setting, "sphere")))
            for setting in self.settings
            if setting.sphere
            for run in self.runs_of(setting)
        }

    @property
    def at_fixed_norm(self) -> dict[str, tuple[str, ...]]:
        """Ids of the runs at a fixed norm on the same loss, by the id of a run with decay."""
        on_sphere = [
            setting
            for setting in self.settings
            if setting.recipe.fixed_norm and setting.recipe.schedule == "constant"
        ]
        return {
            run.id: tuple(
                other.id
                for one in on_sphere
                if _at_free_norm(one.recipe) == _at_free_norm(setting.recipe)
                for other in self.runs_of(one)
            )
            for setting in self.settings
            if setting.weight_decay > 0 and not setting.momentum
            for run in self.runs_of(setting)
        }

    def length(self, setting: Setting) -> int:
        """Steps of a setting's runs: as many as its expected cycles take."""
        if setting.steps or self.steps:
            return setting.steps or self.steps
        intrinsic_lr = setting.learning_rate * setting.weight_decay
        return math.ceil(self.cycles / intrinsic_lr * self.cycle_constant)

    def to_json(self) -> str:
        """The study as one line of JSON, the same for the same study."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class ToyStudy:
    """A study of toy losses alone, marked by ``kind = "toys"``: every claim of theory on them.

    Attributes:
        name: names the results folder.
        title: heading of the report.
        kind: ``toys``.
        size: share of trajectories and settings to simulate, up to 1.
        cycles: length of a run in expected cycles, about.
    """

    name: str
    title: str
    kind: str = "toys"
    size: float = 1.0
    cycles: float = 12.0

    def __post_init__(self) -> None:
        _check_name(self.name)
        validate.positive("size", self.size)
        if self.size > 1:
            raise ValueError(f"size must be at most 1, got {self.size}")
        if not 6 <= self.cycles <= MOST_TOY_CYCLES:
            raise ValueError(f"cycles must be from 6 to {MOST_TOY_CYCLES}, got {self.cycles}")

    def scaled(self, count: int) -> int:
        """A number of trajectories or settings at this size, at least 3."""
        return max(3, round(self.size * count))

    def to_json(self) -> str:
        """The study as one line of JSON, the same for the same study."""
        return json.dumps(asdict(self), sort_keys=True)


def _at_free_norm(recipe: Recipe) -> Recipe:
    """The recipe without what holds or starts the norm and what is measured beside."""
    return replace(recipe, fixed_norm=False, initial_norm=0.0, sharpness_examples=0)


def _check_name(name: str) -> None:
    validate.within("length of name", len(name), 1, LONGEST_NAME)
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"name must consist of letters, digits, - and _, got {name!r}")
