"""How a project stands when a model of it is decided about, folded from the ledger alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from math import inf

from include.core import streams
from include.core.canonical import decode
from include.core.events import DriftJudged, GatesDeclared, HoldoutBacktested, ModelEvaluated, PolicyDeclared
from include.core.project import DriftPolicy, Gates
from include.core.records import DriftState, Evaluation, Gate
from include.core.rules import rounded_up
from include.data.resampling import at_error
from include.ledger import Ledger, of_kind
from include.registry.champions import Version
from include.registry.decision_grounds import ProjectStanding
from include.registry.overrides import Overrides

#: In this many entries the last verdict is looked for first.
_NEAR_THE_END = 50


def standing(
    ledger: Ledger,
    overrides: Overrides,
    project: str,
    evaluation: Evaluation,
    *,
    champion: Version | None,
    champion_evaluation: Evaluation | None,
    retired: frozenset[int],
    run_id: str,
    now: datetime,
) -> ProjectStanding:
    """How *project* stands at *now* for the model of *evaluation*, beside the *champion* in force.

    The night *run_id* made it. *retired* are the versions that nobody goes back to.
    """
    since = ProjectStanding(given_away_noise=0.0)
    if champion is not None and champion_evaluation is not None:
        since = frozen(champion, champion_evaluation, retired=retired)
    seen, fails = Looks(ledger, project), failing(ledger, project)
    return replace(
        since,
        looks=seen.at(evaluation),
        recipe_day=seen.recipe_day(evaluation.recipe, plan=evaluation.plan),
        failing=fails,
        unwatched=None if fails is None else not is_watched(ledger, project, run_id),
        overrides=tuple(overrides.in_force(project, now=now)),
    )


def frozen(champion: Version, evaluation: Evaluation, *, retired: frozenset[int]) -> ProjectStanding:
    """Which version stands as reference while *champion* is in force, and what was given away since it together.

    It begins anew with a champion that is shown to cost no more than it, that superseded what could not be compared,
    that a person let give away more, or that was decided before this was recorded; and with the champion in force where
    the reference is one of the *retired*: what people took out of use is no measure.
    """
    anew = ProjectStanding(reference=champion.number, given_away_noise=0.0)
    decided = champion.decision.standing if champion.decision is not None else None
    total = None if decided is None else decided.given_away_with(evaluation)
    if decided is None or decided.reference is None or total is None or total.upper <= 0:
        return anew
    if decided.reference in retired:
        return anew
    let = any(each.gate is Gate.GIVEN_AWAY for each in decided.overrides)
    if let and champion.decision is not None and total.estimate > champion.decision.gates.given_away_limit:
        return anew
    noise = max(total.upper - total.estimate, total.estimate - total.lower)
    return ProjectStanding(reference=decided.reference, given_away=total.estimate, given_away_noise=noise)


def in_words(ledger: Ledger, overrides: Overrides, project: str, *, now: datetime) -> Iterator[str]:
    """What bears on promotions of *project* at *now*, a sentence each: a failing recipe, overrides, looks."""
    seen = Looks(ledger, project)
    if (day := failing(ledger, project)) is not None:
        stops = "no refit is promoted unless a person overrides that, another recipe where it is shown to lose less"
        if seen.last_run is not None and not is_watched(ledger, project, seen.last_run):
            stops = "it stops nothing, since the last night declared no drift policy: nobody watches the project"
        yield f"{project}: FAILING by the verdict of {day}: {stops}"
    for each in overrides.in_force(project, now=now):
        yield f"{project}: the gate {each.gate} is overridden until {each.until}, by {each.by}: {each.reason}"
    if (last := seen.last) is not None and (looks := seen.at(last)):
        yield (
            f"{project}: {looks} earlier evaluations and backtests saw days of the last holdout, "
            f"{last.holdout.first} to {last.holdout.last}"
        )


def showable(ledger: Ledger, project: str, gates: Gates) -> Iterator[str]:
    """The smallest limits of *gates* that the holdout of the last evaluation could show, a sentence each.

    Nothing, where none of *project* was compared with a champion.
    """
    last = Looks(ledger, project).last
    if last is None or last.difference is None:
        return
    measured = last.difference if last.reference_difference is None else last.reference_difference
    limits = (
        ("margin", gates.margin, last.difference),
        ("given_away", gates.given_away_limit, at_error(measured, gates.given_away_error)),
    )
    for name, limit, difference in limits:
        noise = difference.upper - difference.estimate
        told = (
            f"the holdout of the last evaluation, {last.holdout.first} to {last.holdout.last}, could show a {name} of "
        )
        told += f"{rounded_up(noise):g} at the smallest" if noise > 0 else "any size"
        if noise > max(limit, 0.0):
            told += f": below that, as {limit:g} is, another recipe that is just as good as the champion is refused"
        yield told


def failing(ledger: Ledger, project: str) -> date | None:
    """The day of the last verdict on *project*, if it says that retraining does not help and its policy stops."""
    last = _last_verdict(ledger, project)
    if last is None or last.verdict.state is not DriftState.FAILING:
        return None
    declared = ledger.fact(streams.policy_key(project, last.policy), PolicyDeclared)
    if declared is not None and not decode(DriftPolicy, declared.policy.encode()).stops_promotion:
        return None
    return last.instant.date()


def is_watched(ledger: Ledger, project: str, run_id: str) -> bool:
    """Whether *project* declared a drift policy when the night *run_id* began: yes, unless the night says otherwise."""
    declared = ledger.fact(streams.gates_key(project, run_id), GatesDeclared)
    return declared is None or declared.watched is not False


def _last_verdict(ledger: Ledger, project: str) -> DriftJudged | None:
    """The verdict that was recorded last; the stream holds years, and it stands near the end."""
    stream = streams.drift(project)
    near = max(0, ledger.version(stream) - _NEAR_THE_END)
    for after in dict.fromkeys((near, 0)):
        for _, event in of_kind(reversed(ledger.read(stream, after=after)), DriftJudged):
            return event
    return None


class Looks:
    """The evaluations and backtests of a project, in the order of their recording: each looked at days."""

    def __init__(self, ledger: Ledger, project: str) -> None:
        made = list(of_kind(ledger.read(streams.evaluations(project)), ModelEvaluated))
        self._evaluated = [(entry.position, event.evaluation) for entry, event in made]
        #: The night that made the one that was recorded last.
        self.last_run = made[-1][1].run_id if made else None
        looked = of_kind(ledger.read(streams.backtests(project)), HoldoutBacktested)
        self._backtested = [(entry.position, event.days) for entry, event in looked]

    @property
    def last(self) -> Evaluation | None:
        return self._evaluated[-1][1] if self._evaluated else None

    def at(self, evaluation: Evaluation) -> int:
        """How many others saw days of the holdout of *evaluation*; of evaluations, those of plans before its own."""
        end = self._first_of(evaluation.plan)
        seen = [each.holdout for position, each in self._evaluated if position < end]
        seen += [days for _, days in self._backtested]
        own = evaluation.holdout
        return sum(days.first <= own.last and own.first <= days.last for days in seen)

    def recipe_day(self, recipe: str | None, *, plan: str) -> date | None:
        """The last day on which anybody looked for another recipe than *recipe*, before the model of *plan*.

        That is a day of the holdout on which another one was first evaluated, or of any backtest: whose recipe ever it
        was of, what is chosen by it was chosen on these days.
        """
        end = self._first_of(plan)
        first: dict[str, date] = {}
        for position, each in self._evaluated:
            if each.recipe is not None and position < end:
                first.setdefault(each.recipe, each.holdout.last)
        backtested = [days.last for position, days in self._backtested if position < end]
        return max([*(day for name, day in first.items() if name != recipe), *backtested], default=None)

    def _first_of(self, plan: str) -> float:
        """Where the first evaluation of *plan* stands, the end otherwise: a repetition finds what it found."""
        return next((position for position, each in self._evaluated if each.plan == plan), inf)
