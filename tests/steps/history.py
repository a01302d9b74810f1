"""A history of one project: its actors drive the real functions on a real ledger, and only rows and models are made up.

Beside the product stands a plain account of what was signed and judged, which knows nothing of how the product folds.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from include.core import streams
from include.core.canonical import decode, encode, record_digest
from include.core.errors import AuthorityError, RegistryError
from include.core.events import (
    ArtifactOpened,
    ChampionRolledBack,
    DayJudged,
    DriftJudged,
    Event,
    GatesDeclared,
    LooksDeclared,
    LookTaken,
    ModelEvaluated,
    PromotionDecided,
    RunStarted,
    StepFinished,
)
from include.core.project import DriftPolicy, Gates, Objective
from include.core.records import (
    DAY,
    DatasetScope,
    DayOfSeries,
    Days,
    DriftState,
    DriftVerdict,
    DueDay,
    Evaluation,
    Gate,
    Interval,
    LookOutcome,
    RevocationKind,
    Run,
    Scope,
    Treatment,
    Verdict,
    day_start,
)
from include.ledger import lease
from include.monitoring.series import Prediction, judged_days
from include.projects import flight_delay
from include.registry import history as versions
from include.registry.authority import PromotionAuthority
from include.registry.rollback import ROLLBACK_TYPE, Rollback
from include.registry.signed_decisions import PROMOTION_TYPE, Decision
from include.registry.standing import Looks
from include.retraining import looks, series
from include.steps import backlog
from tests.governance.conftest import STEWARD
from tests.registry.models import signer
from tests.steps.yard import CONTRACTS, FIRST, MATURES, Deaf, LostAnswer, Yard, last_matured

#: The last day of a history, after its first night; and by how many days an instant lies after that of the last
#: decision, or before it.
LAST = 60
OFFSETS, JUMPS = st.integers(0, LAST), st.integers(-6, 12)
HOLDOUT = 7
POLICY = DriftPolicy(excess_loss=None, calibration_gap=1.0)
GATES = Gates(margin=0.5, floor_loss=0.68, floor_auc=0.6, auc_guard=1.0, minimum_days=2)
#: Loss and AUC of a model, where the constant costs .65; all but the first two are below a floor.
MODELS = {
    "good": (0.55, 0.7),
    "better": (0.53, 0.7),
    "loses": (0.7, 0.7),
    "knows nothing": (0.66, 0.7),
    "ranks nothing": (0.55, 0.5),
}
#: What the models cost on live rows, by their predictions.
OVERRIDDEN = (Gate.FLOORS, Gate.SKILL, Gate.FAILING)
LIVE = {"well": 0.5, "badly": 0.9}


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A watch under way: what it has scored, and who should judge by what was decided when it looked."""

    run: Run
    days: tuple[DueDay, ...]
    expected: dict[date, int]


@dataclass(frozen=True, kw_only=True)
class Night:
    """A night that has evaluated its model, under the grant that it read by."""

    run: Run
    grant: str
    evaluation: Evaluation
    live: str


@dataclass(frozen=True, kw_only=True)
class Signed:
    """From ``since`` on ``version`` is in force (``None``: nothing), as the authority signed."""

    version: int | None
    since: datetime


class History(RuleBasedStateMachine):
    """Night, watch, steward, stewardship and authority, each of whom may die at any of their steps."""

    template: Path

    @initialize(second=st.sampled_from([None, *sorted(LIVE)]))
    def the_first_night_is_promoted(self, second: str | None) -> None:
        """And so is a *second* one, if there is one."""
        self.project = flight_delay.PROJECT.varied(drift=POLICY, gates=GATES)
        self.folder = Path(mkdtemp(prefix="trainyard-history-"))
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.yard = Yard(self.folder)
        self.authority = self.yard.promotions()
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.runs = 0
        self.evaluated: list[Night] = []
        self.made: dict[int, Night] = {}
        self.under_way: list[Watch] = []
        # The account: what was signed in its order, who was retired and let through, what was judged first.
        self.signed: list[Signed] = []
        self.since_promotion: list[Rollback] = []
        self.retired: set[int] = set()
        self.looks: set[str] = set()
        self.read, self.agrees = 0, True
        self.quarantined: set[str] = set()
        self.overridden: set[Gate] = set()
        self.failing = False
        self.first: dict[date, tuple[DayOfSeries, int]] = {}
        self.recorded_by: dict[date, str] = {}
        self.stewardship()
        self.steward("grants")
        self.night(jump=0, model="good", recipe="a", live="well", ends="decided")
        assert self.in_force == 1
        if second is not None:
            self.night(jump=8, model="better", recipe="a", live=second, ends="decided")
            assert self.in_force == 2

    # ── night ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(
        jump=JUMPS,
        model=st.sampled_from(sorted(MODELS)),
        recipe=st.sampled_from("ab"),
        live=st.sampled_from(sorted(LIVE)),
        ends=st.sampled_from(["decided", "registered", "evaluated"]),
    )
    def night(self, jump: int, model: str, recipe: str, live: str, ends: str) -> None:
        """At an instant that may lie before those of earlier nights; it may die after any of its steps."""
        grants = self.yard.access.grants(self.project.name, now=self.now)
        if not grants:
            return  # the gate waits
        run = self._run("night", self._instant(jump))
        stream, ledger = streams.run(run.project, run.run_id), self.yard.ledger
        gates = GatesDeclared(project=run.project, run_id=run.run_id, gates=GATES)
        ledger.record(stream, gates, key=streams.gates_key(run.project, run.run_id))
        looks = LooksDeclared(project=run.project, run_id=run.run_id, looks=POLICY.looks)
        ledger.record(stream, looks, key=streams.looks_key(run.project, run.run_id))
        opened = ArtifactOpened(
            project=run.project, run_id=run.run_id, step="plan", grants=(grants[-1].grant_id,), artifacts="a", count=1
        )
        ledger.record(f"receipt/{run.project}", opened)
        made = self._evaluation(run, model, recipe)
        digest = self.yard.platform.store.put(encode(made))
        told = ModelEvaluated(project=run.project, run_id=run.run_id, evaluation=made)
        ledger.record(f"evaluations/{run.project}", told, key=f"evaluated/{run.project}/{digest}")
        ended = StepFinished(
            project=run.project, run_id=run.run_id, step="evaluate", attempt="a", inputs="", output=digest
        )
        ledger.record(stream, ended)
        self.evaluated.append(Night(run=run, grant=grants[-1].grant_id, evaluation=made, live=live))
        if ends != "evaluated":
            self.night_resumes(which=len(self.evaluated) - 1, lost=False, decided=ends == "decided")

    @rule(which=st.integers(0, 9), lost=st.booleans(), decided=st.booleans())
    def night_resumes(self, which: int, lost: bool, decided: bool) -> None:
        """It registers its model, whatever happened since it evaluated it; a lost answer has it do so again."""
        if not self.evaluated:
            return
        night = self.evaluated.pop(which % len(self.evaluated))
        said = Verdict(promote=True, reasons=("whatever training says",))
        digest = record_digest(night.evaluation)
        fence = lease.take(
            self.yard.ledger, night.run.project, run_id=night.run.run_id, now=self.now, duration=timedelta(hours=1)
        )
        run = replace(night.run, fence=fence.token)
        ledgers = (Deaf(self.yard.ledger._database), self.yard.ledger) if lost else (self.yard.ledger,)
        for ledger in ledgers:
            with suppress(LostAnswer):
                versions.register(ledger, run, evaluation=digest, bundle=digest, verdict=said)
        lease.release(self.yard.ledger, run.project, run_id=run.run_id)
        self.made[len(versions.models(self.yard.ledger, run.project))] = night
        if decided:
            self.authority_decides(process="same")

    def _evaluation(self, run: Run, model: str, recipe: str) -> Evaluation:
        last = last_matured(run.instant)
        holdout, (loss, auc) = Days(first=last - (HOLDOUT - 1) * DAY, last=last), MODELS[model]
        made = Evaluation(
            plan=f"plan of {run.run_id}",
            features="features",
            objective=Objective.BINARY,
            trial_id="trial",
            params={},
            model=f"model of {run.run_id}",
            metrics={"log_loss": loss, "auc": auc},
            champion=self.in_force,
            compared=None,
            compared_metrics={},
            champion_metrics={},
            difference=None,
            holdout=holdout,
            rows=100,
            constant_loss=0.65,
            skill=Interval(estimate=0.65 - loss, lower=0.6 - loss, upper=0.7 - loss, days=HOLDOUT),
            recipe=recipe,
        )
        if self.in_force is None:
            return made
        champion = self.made[self.in_force].evaluation
        seen = Looks(self.yard.ledger, run.project).recipe_day(recipe, plan=made.plan)
        first = max(holdout.first, seen + DAY) if seen and champion.recipe != recipe else holdout.first
        lost = loss - champion.metrics["log_loss"]
        return replace(
            made,
            compared=Days(first=min(first, last), last=last),
            compared_metrics={"auc": auc},
            champion_metrics={"auc": champion.metrics["auc"]},
            difference=Interval(estimate=lost, lower=lost - 0.01, upper=lost + 0.01, days=HOLDOUT),
        )

    # ── watch ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(offset=OFFSETS, ends=st.booleans(), failing=st.booleans())
    def watch(self, offset: int, ends: bool, failing: bool) -> None:
        """It looks what is due and scores it; whether it lives to record that may be seen later."""
        before = len(self.under_way)
        self._look(self._run("watch", FIRST + timedelta(days=offset)))
        if ends and len(self.under_way) > before:
            self.watch_ends(which=before, dies="not", again=False, failing=failing)

    @rule(
        which=st.integers(0, 9),
        dies=st.sampled_from(["not", "after its days", "with no answer"]),
        again=st.booleans(),
        failing=st.booleans(),
    )
    def watch_ends(self, which: int, dies: str, again: bool, failing: bool) -> None:
        """It records, takes the looks and says its verdict; it may die before, or be taken for dead and do so twice."""
        if not self.under_way:
            return
        watch = self.under_way[which % len(self.under_way)]
        ledger, judged = self.yard.ledger, self._scored(watch)
        before = {each.day for each in series.series_of(ledger, self.project.name)}
        with suppress(LostAnswer):
            recording = Deaf(ledger._database) if dies == "with no answer" else ledger
            series.record(recording, watch.run, judged)
        for each in judged:
            if each.day not in before:
                self.first[each.day] = (each, watch.expected[each.day])
                self.recorded_by[each.day] = watch.run.run_id
        if dies == "not":
            looks.take(ledger, self.yard.champions, watch.run)
            self._judges(watch, failing=failing)
        if not again:
            self.under_way.remove(watch)

    @rule(which=st.integers(0, 9))
    def watch_resumes(self, which: int) -> None:
        """Killed before it recorded, it looks again; what it recorded itself is still due for it."""
        if self.under_way:
            self._look(self.under_way.pop(which % len(self.under_way)).run)

    def _look(self, run: Run) -> None:
        due = backlog.due(self.yard.platform, self.project, run_id=run.run_id, instant=run.instant)
        own = {day for day, run_id in self.recorded_by.items() if run_id == run.run_id and self._lived_with(day)}
        waits = bool(self.quarantined)  # nobody can look at inputs, or the champion in force may judge them later
        if isinstance(due, str):
            assert not own or waits, "what a watch recorded itself is due until it ends"
            return
        days = {each.day for each in due.days}
        assert own <= days or waits
        expected = {day: self._lived_with(day) for day in days}
        assert None not in expected.values(), "nobody judges a day on which nothing was in force"
        chosen = tuple(
            DueDay(
                day=each.day,
                champion=each.champion,
                predecessor=each.predecessor,
                best=next(iter(each.best), None),
                unjudged=each.refused,
            )
            for each in due.days
        )
        self.under_way.append(Watch(run=run, days=chosen, expected=cast("dict[date, int]", expected)))

    def _judges(self, watch: Watch, *, failing: bool) -> None:
        state = DriftState.FAILING if failing else DriftState.STABLE
        days = Days(first=watch.days[0].day, last=watch.days[-1].day)
        event = DriftJudged(
            project=watch.run.project,
            run_id=watch.run.run_id,
            instant=watch.run.instant,
            model_version=watch.days[-1].champion,
            policy="policy",
            live="live",
            days=days,
            figures=(),
            verdict=DriftVerdict(state=state, reasons=("r",), figures={}, days=(), inputs=()),
        )
        key = f"judged/{event.project}/{event.run_id}"
        if self.yard.ledger.find(key) is None:
            self.yard.ledger.record(streams.drift(event.project), event, key=key)
            self.failing = failing

    def _scored(self, watch: Watch) -> tuple[DayOfSeries, ...]:
        """The figures of rows that are made up: each watch sees other labels."""
        due = watch.days
        day = np.repeat(np.array([each.day.toordinal() for each in due], dtype=np.int32), 20)
        label = np.random.default_rng(len(watch.run.run_id)).integers(0, 2, len(day)).astype(float)
        wanted = {each for one in due for each in (one.champion, one.predecessor, one.best) if each is not None}
        rows = np.ones(len(day), dtype=bool)
        predictions = {
            version: Prediction(rows=rows, score=np.full(len(day), LIVE[self.made[version].live] - 0.001 * version))
            for version in wanted
        }
        return judged_days(
            Objective.BINARY, due, day=day, label=label, predictions=predictions, matures_after_days=MATURES
        )

    # ── steward ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(does=st.sampled_from(["grants", "denies", "revokes", "quarantines", "lifts", *OVERRIDDEN]))
    def steward(self, does: str) -> None:
        """Decides about the oldest request that waits, or about the grants in force, or overrides a gate."""
        steward, name = self.yard.steward, self.project.name
        waiting = [each.request_id for each in self.yard.access.requests(name)][:1]
        for each in waiting if does == "grants" else ():
            steward.grant(each, user=STEWARD, reason="Agreed", days=300, now=self.now)
        for each in waiting if does == "denies" else ():
            steward.deny(each, user=STEWARD, reason="Not now")
        for grant in self.yard.access.grants(name, now=self.now) if does in ("revokes", "quarantines") else ():
            effect = RevocationKind.QUARANTINE if does == "quarantines" else RevocationKind.STOP_RUNNING
            steward.revoke(grant.grant_id, user=STEWARD, reason="A leak", effect=effect)
            self.quarantined |= {grant.grant_id} if does == "quarantines" else set()
        for each in sorted(self.quarantined) if does == "lifts" else ():
            steward.lift(each, user=STEWARD, reason="It was none")
            self.quarantined.remove(each)
        if does in OVERRIDDEN:
            until = datetime.now(UTC).date() + 2 * DAY
            self.authority.override(name, Gate(does), until=until, user=STEWARD, reason="The fault is known")
            self.overridden.add(Gate(does))

    @rule(which=st.integers(0, 9), retires=st.booleans(), jump=JUMPS, doubled=st.booleans(), lost=st.booleans())
    def steward_goes_back(self, which: int, retires: bool, jump: int, doubled: bool, lost: bool) -> None:
        """To a version of any number, or retires it: that is signed where it may be, and once."""
        version, instant = sorted(self.made)[which % len(self.made)], self._instant(jump)
        possible = version in {each.version for each in self.signed} and version not in self.retired
        if retires:
            possible = possible and self._is_later(version, instant)
            self._asks(None, version, instant, possible=possible, doubled=doubled, lost=lost)
            return
        left = self._last_in_force()
        possible = possible and version != self.in_force and not self._is_quarantined(version)
        possible = possible and self._is_later(left, instant)
        self._asks(version, left, instant, possible=possible, doubled=doubled, lost=lost)

    def _asks(
        self, version: int | None, left: int, instant: datetime, *, possible: bool, doubled: bool, lost: bool
    ) -> None:
        stream, ledger = f"promotion/{self.project.name}", self.yard.ledger
        before = ledger.version(stream)

        def ask(authority: PromotionAuthority) -> Rollback | None:
            with suppress(AuthorityError, RegistryError, LostAnswer):
                return authority.rollbacks.roll_back(
                    self.project.name, version=version, left=left, user=STEWARD, reason="Late", instant=instant
                )
            return None

        asked = [ask(self.yard.promotions(deaf=lost))]
        asked += [ask(self.authority)] if doubled or lost else []
        assert ledger.version(stream) == before + possible, "what may be asked for is signed once, and nothing else is"
        assert not possible or asked[-1] is not None, "whoever asks again is told what was signed"
        self._account()

    # ── stewardship, and the authority's own process ──────────────────────────────────────────────────────────────────

    @rule()
    def stewardship(self) -> None:
        """Its round: access that ended is asked for again; looks of a watch that died are taken and decided."""
        self.yard.access.request(self._scope(), requester="trainyard", now=self.now)
        looks.take(self.yard.ledger, self.yard.champions, self._run("round", FIRST + timedelta(days=LAST)))
        self.authority_decides(process="new")

    @rule(process=st.sampled_from(["same", "new", "two", "dies"]))
    def authority_decides(self, process: str) -> None:
        """In the process of before or a new one; two at once; or one that dies once it has signed."""
        if process == "dies":
            with suppress(LostAnswer):
                self.yard.promotions(deaf=True).decide()
            self._account()
        if process == "two":
            self.yard.promotions().decide()
            self._account()
        if process != "same":
            self.authority = self.yard.promotions()
        self.authority.decide()
        self._account()

    @rule(number=st.integers(0, 30), decision=st.booleans())
    def an_event_is_doubled(self, number: int, decision: bool) -> None:
        """Somebody appends again what was signed for another place or, without its key, a day with other figures."""
        ledger, stream = self.yard.ledger, streams.drift(self.project.name)
        signed = [each.event for each in ledger.read(f"promotion/{self.project.name}")]
        if decision:
            doubled = signed[number % len(signed)]
            ledger.append(f"promotion/{self.project.name}", [doubled], expected_version=len(signed))
            return
        days = [each.event for each in ledger.read(stream) if isinstance(each.event, DayJudged)]
        for event in days[number : number + 1]:
            ledger.record(stream, replace(event, judged=replace(event.judged, loss=99.0)))

    @rule(days=st.integers(-400, 400))
    def the_clock_jumps(self, days: int) -> None:
        """Grants begin and end by it; what the data knew is another clock."""
        self.now += timedelta(days=days)

    # ── the account ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def in_force(self) -> int | None:
        return self.signed[-1].version if self.signed else None

    def _account(self) -> None:
        """Take down what the authority signed since, and hold it against the laws."""
        self.agrees = False
        for entry in self.yard.ledger.read(f"promotion/{self.project.name}", after=self.read):
            self.read = entry.stream_version
            event, verifier = entry.event, signer().verifier
            if isinstance(event, PromotionDecided):
                decision = decode(Decision, verifier.verify(event.envelope, PROMOTION_TYPE))
                if decision.position == entry.stream_version and decision.verdict.promote:
                    self._promoted(decision)
            elif isinstance(event, ChampionRolledBack):
                rollback = decode(Rollback, verifier.verify(event.envelope, ROLLBACK_TYPE))
                if rollback.position == entry.stream_version:
                    self._went_back(rollback)
        self.agrees = True

    def _promoted(self, decision: Decision) -> None:
        night, version = self.made[decision.version], decision.version
        evaluation = night.evaluation
        assert version not in {each.version for each in self.signed}, "a model is promoted once"
        assert not self._is_quarantined(version)
        champion = None if self.in_force is None else self.made[self.in_force].evaluation
        better = evaluation.difference is not None and evaluation.difference.upper < 0
        changed = champion is not None and champion.recipe != evaluation.recipe
        assert Gate.FAILING in self.overridden or not self.failing or (better and changed)
        floors = evaluation.metrics["log_loss"] <= 0.68 and evaluation.metrics["auc"] >= 0.6
        assert floors or Gate.FLOORS in self.overridden, "no promotion below its floors"
        assert evaluation.skill is not None
        assert evaluation.skill.estimate > 0 or Gate.SKILL in self.overridden
        assert (evaluation.champion, decision.champion) == (self.in_force, self.in_force), (
            "compared with who it replaces"
        )
        for each in self.since_promotion[-1:]:
            assert night.run.instant >= each.instant, "a rollback stands for nights of before it"
        for each in self.since_promotion:
            if self.made[each.left].evaluation.recipe == evaluation.recipe:
                days = evaluation.compared or evaluation.holdout
                assert day_start(days.first) >= each.instant, "a recipe comes back by days after it was left"
        self.since_promotion = []
        self.signed.append(Signed(version=version, since=night.run.instant))

    def _went_back(self, rollback: Rollback) -> None:
        version, left = rollback.version, rollback.left
        assert self._is_later(left, rollback.instant)
        if rollback.look is not None:
            assert rollback.look not in self.looks, "a look goes back once"
            self.looks.add(rollback.look)
            taken = self.yard.ledger.find(rollback.look)
            assert taken is not None
            assert isinstance(taken.event, LookTaken)
            assert (taken.event.outcome, taken.event.predecessor) == (LookOutcome.BACK, version)
            assert rollback.look == streams.look_key(self.project.name, left, taken.event.look.days)
        else:
            assert rollback.asked_by == STEWARD
        if version is None:
            self.retired.add(left)
        else:
            assert version in {each.version for each in self.signed}, "it was champion"
            assert version not in self.retired
            assert left == self._last_in_force()
            assert not self._is_quarantined(version)
        if version is not None or left == self.in_force:
            self.since_promotion.append(rollback)
            self.signed.append(Signed(version=version, since=rollback.instant))

    def _instant(self, jump: int) -> datetime:
        last = self.signed[-1].since if self.signed else FIRST
        return min(last + timedelta(days=jump), FIRST + timedelta(days=LAST))

    def _last_in_force(self) -> int:
        return next(each.version for each in reversed(self.signed) if each.version is not None)

    def _lived_with(self, day: date) -> int | None:
        """The last that was signed of what holds since before *day*; the first, of a day before anything was."""
        known = [each for each in self.signed if each.since <= day_start(day)]
        if known:
            return known[-1].version
        return self.signed[0].version

    def _is_later(self, version: int, instant: datetime) -> bool:
        since = [each.since for each in self.signed if each.version == version]
        return bool(since) and instant >= since[-1]

    def _is_quarantined(self, version: int | None) -> bool:
        return version is not None and self.made[version].grant in self.quarantined

    # ── the laws, after each step ─────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def each_day_keeps_its_first_record_and_is_judged_by_the_champion_in_force_before_it(self) -> None:
        if not hasattr(self, "first"):
            return
        found = series.series_of(self.yard.ledger, self.project.name)
        assert found == tuple(self.first[day][0] for day in sorted(self.first))
        assert [each.champion for each in found] == [self.first[day][1] for day in sorted(self.first)]

    @invariant()
    def the_last_decision_says_who_is_champion_be_it_a_promotion_or_a_rollback(self) -> None:
        if not hasattr(self, "signed") or not self.signed:
            return
        found = self.yard.champions.in_force(self.project.name)
        assert (None if found is None else found.number) == self.in_force
        if found is not None:
            assert (found.refused is not None) == self._is_quarantined(found.number)

    def teardown(self) -> None:
        """A last watch judges all that is left, and another finds nothing."""
        if not hasattr(self, "agrees"):
            return
        if self.agrees:  # what a broken law left behind says nothing more
            self._comes_to_its_end()
        self.yard.ledger.close()
        shutil.rmtree(self.folder)

    def _comes_to_its_end(self) -> None:
        self.steward("lifts")
        self.watch(offset=LAST, ends=True, failing=False)
        found = [each.day for each in series.series_of(self.yard.ledger, self.project.name)]
        last = last_matured(FIRST + timedelta(days=LAST))
        every = Days(first=last_matured(self.signed[0].since) + DAY, last=last)
        assert found == [each for each in every if each in self.first or self._lived_with(each) is not None], (
            "no day is missing, none is there twice"
        )
        self.each_day_keeps_its_first_record_and_is_judged_by_the_champion_in_force_before_it()
        again = self._run("watch", FIRST + timedelta(days=LAST))
        due = backlog.due(self.yard.platform, self.project, run_id=again.run_id, instant=again.instant)
        assert isinstance(due, str)
        self.stewardship()
        self.the_last_decision_says_who_is_champion_be_it_a_promotion_or_a_rollback()

    def _scope(self) -> Scope:
        contract = CONTRACTS["flights"]
        columns = (("hour", Treatment.CLEAR),)
        read = DatasetScope(dataset="flights", contract_digest=contract.digest, columns=columns, window_days=30)
        return Scope(project=self.project.name, purpose=self.project.ownership.purpose, datasets=(read,))

    def _run(self, name: str, instant: datetime) -> Run:
        self.runs += 1
        run = Run(
            project=self.project.name,
            run_id=f"{name}-{self.runs}",
            instant=instant,
            code_digest="code",
            declaration_digest="declared",
            fence=0,
        )
        stream = streams.run(run.project, run.run_id)
        started: Event = RunStarted(run=run, separation_of_duties="NOT SHOWN")
        self.yard.ledger.record(stream, started, key=stream)
        return run
