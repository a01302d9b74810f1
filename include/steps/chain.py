"""What a night, a watch and a backtest do, step by step: declared here, once, as plain data.

    gate ─► snapshot ─► validate ─┐
                └────► features ──┴─► plan ─► train[shard] ─► refit ─► evaluate ─► promote
    gate ─► snapshot ─► score ─► drift ─► verdict

Whoever does the steps, draws them or explains them reads this list: a night in this process, Airflow's DAGs, the
notebook, the tests. It imports nothing that computes, so that a DAG is drawn at no cost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from include.core.project import Project
    from include.core.records import Run
    from include.steps.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, and ``text`` to explain it to people.

    Its function, ``does``, is named as ``module:function`` below :mod:`include.steps`. It is called with platform,
    project, run and the digests that the step ``takes``, in this order; each is called what the step that made it
    ``gives``. It returns the digest of what it made.

    It comes after the steps that it takes from, and ``after`` others of which it takes nothing. A ``mapped`` step is
    done once for each shard of the plan, whose number it is given last. What may be ``placed`` elsewhere trains.
    """

    name: str
    does: str
    text: str
    takes: tuple[str, ...] = ()
    gives: str = ""
    after: tuple[str, ...] = ()
    mapped: bool = False
    placed: bool = False

    @property
    def makers(self) -> dict[str, str]:
        """By what it is called, the step that makes what it takes."""
        return {name: MADE_BY[name] for name in self.takes}

    @property
    def before(self) -> tuple[str, ...]:
        """The names of the steps that have ended when this one begins."""
        return (*self.makers.values(), *self.after)

    def perform(
        self,
        platform: "Platform",
        project: "Project",
        run: "Run",
        inputs: Mapping[str, Any],
        *,
        clock: "Callable[[], datetime]",
    ) -> str:
        """Do it in this process; *inputs* are what it takes, by what it is called, and the ``shard`` of a mapped step.

        What is lacking of them is made first.
        """
        given = dict(inputs)
        for name, maker in self.makers.items():
            if name not in given:
                given[name] = step_named(maker).perform(platform, project, run, inputs, clock=clock)
        taken = [given[name] for name in (*self.takes, *(["shard"] if self.mapped else []))]
        does: Callable[..., str] = resolve_name(f"{__package__}.{self.does}")
        return does(platform, project, run, *taken, now=clock())


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The steps of a kind of run, in the order in which one process does them; ``gate`` explains what they wait for."""

    gate: str
    steps: tuple[Step, ...]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def last(self) -> Step:
        """The step after which the run has ended."""
        return self.steps[-1]


_SNAPSHOT = Step(
    name="snapshot",
    does="data:snapshot",
    gives="snapshot",
    text="Reads the rows that were known at the run's instant, only granted columns and only new days, and freezes "
    "them.",
)
NIGHT = Chain(
    gate="Begins the night and waits until the data stewards have granted what the project reads. "
    "Marking it as successful opens nothing: each later step checks the grants itself.",
    steps=(
        _SNAPSHOT,
        Step(
            name="validate",
            does="data:validate",
            takes=("snapshot",),
            text="Holds the new days against the expectations of contracts and project. A critical one stops the "
            "night; the log names the report.",
        ),
        Step(
            name="features",
            does="data:features",
            takes=("snapshot",),
            gives="features",
            text="Builds the point-in-time features of the new days, and checks that none of them knows the future.",
        ),
        Step(
            name="plan",
            does="planning:plan",
            takes=("features",),
            after=("validate",),
            gives="plan",
            text="Draws the trials of the hyper-parameter search and cuts them into shards.",
        ),
        Step(
            name="train",
            does="training:train",
            takes=("plan",),
            mapped=True,
            placed=True,
            text="Trains one shard's trials. Trials that are recorded are not trained again.",
        ),
        Step(
            name="refit",
            does="training:refit",
            takes=("plan",),
            after=("train",),
            gives="model",
            placed=True,
            text="Trains the best trial again, on training and validation days, in a pod.",
        ),
        Step(
            name="evaluate",
            does="evaluating:evaluate",
            takes=("plan", "model"),
            gives="evaluation",
            text="Compares the refitted best trial with the champion on days that nothing has seen. Refits it first, "
            "where no task of its own did.",
        ),
        Step(
            name="promote",
            does="promoting:promote",
            takes=("evaluation",),
            text="Registers the model and decides, by the project's gates, whether it becomes champion.",
        ),
    ),
)
WATCH = Chain(
    gate="Begins the watch, beside whatever night runs, and waits until data stewards have granted what it reads. "
    "Skipped where there is nothing to watch: no champion yet, or each day that has matured was judged.",
    steps=(
        _SNAPSHOT,
        Step(
            name="score",
            does="watch:score",
            takes=("snapshot",),
            gives="scored",
            text="Builds the features of the days that are to be judged, and scores each with the champion that was in "
            "force before it.",
        ),
        Step(
            name="drift",
            does="watch:drift",
            takes=("scored",),
            gives="live",
            text="Counts loss and calibration by day, and records them; counts inputs by week. Its report tells of "
            "these.",
        ),
        Step(
            name="verdict",
            does="watch:verdict",
            takes=("live",),
            text="Judges the series of all days under the project's declared policy, records the verdict, and asks for "
            "a retraining if that is what it comes to: at most one in flight, after a cooldown, within a budget.",
        ),
    ),
)
#: A night up to its model, which is then scored on the holdout; nothing is registered. A sample is one of a few days.
BACKTEST = Chain(
    gate=NIGHT.gate,
    steps=(
        *(step for step in NIGHT if step.name not in ("evaluate", "promote")),
        Step(
            name="backtest",
            does="backtesting:backtest",
            takes=("plan", "model"),
            text="Scores the model on the holdout.",
        ),
    ),
)

_STEPS: dict[str, Step] = {step.name: step for step in (*NIGHT, *WATCH, *BACKTEST)}
#: By the name under which a step is given a digest, the step that made what it names.
MADE_BY = {step.gives: step.name for step in _STEPS.values() if step.gives}


def step_named(name: str) -> Step:
    """The step that the ledger calls *name*: behind that of a mapped one stands the number of its shard."""
    return _STEPS[name.partition("-")[0]]


def is_step(name: str) -> bool:
    """Whether *name* is that of a step of a chain: what a run does after its gate."""
    return name.partition("-")[0] in _STEPS
