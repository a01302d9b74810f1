"""What each figure that decides comes to: whether it is beyond its limit, and since when."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from statistics import fmean

from include.core.project import DriftPolicy
from include.core.records import DAY, DayOfSeries, DriftState, Reference
from include.monitoring.onset import JudgedDays, began
from include.monitoring.retrained import ChampionHistory, DecidingMean, FigureOutcome, answered
from include.monitoring.series import skill_score
from include.monitoring.skill import Level, SkillWatch, first_days, level_of, watch


@dataclass(frozen=True, kw_only=True)
class _Rule(DecidingMean):
    """A mean that decides, here ``over`` the last ones; ``words`` say what it is of any days."""

    over: JudgedDays
    words: Callable[[JudgedDays], str]


@dataclass(frozen=True, kw_only=True)
class JudgedSeries:
    """All that is judged: the sorted ``series`` up to ``last``, and who is ``champion`` now (:func:`judge`)."""

    policy: DriftPolicy
    reference: Reference
    series: JudgedDays
    last: date
    champion: int | None
    blind_days: int

    @cached_property
    def judged(self) -> JudgedDays:
        """The last ``policy.days`` days, as far as they have figures."""
        return [each for each in self.series if each.day > self.last - self.policy.days * DAY and each.loss is not None]

    @cached_property
    def level(self) -> Level | None:
        return level_of(self.policy, self.series, self._evaluated)

    @cached_property
    def watched(self) -> SkillWatch | None:
        return watch(self.level, self.series) if self.level else None

    @cached_property
    def _champions(self) -> ChampionHistory:
        return ChampionHistory(first=first_days(self.series), now=self.champion, blind_days=self.blind_days)

    @cached_property
    def _evaluated(self) -> float | None:
        """What a model that does not say what it expects is held against: its evaluation."""
        losses = [each.loss for each in self.reference.holdout_days]
        return fmean(losses) if losses else None

    def figures(self) -> Mapping[str, float]:
        """Each day counts once: rows of one day are not independent, and a busy day is no more evidence."""
        found: dict[str, float] = {}
        if self.judged:
            score, label = _mean(self.judged, "mean_score"), _mean(self.judged, "mean_label")
            found = {"loss": _mean(self.judged, "loss"), "mean_score": score, "mean_label": label}
            found["calibration_gap"] = score - label
            if (expected := self._expected(self.judged)) is not None:
                found |= {"expected_loss": expected, "excess_loss": found["loss"] - expected}
            if with_skill := _with_skill(self.judged):
                found["skill"] = fmean(with_skill)
        if self.watched is not None:
            level = self.watched.level
            found |= {"usual_skill": level.usual, "tolerated_skill": level.tolerated}
            scores = {"usual": level.usual, "tolerated": level.tolerated}
            found |= {f"{name}_skill_score": level.score(skill) for name, skill in scores.items()}
            if (shown := skill_score(self.judged)) is not None:
                found["skill_score"] = shown
            found |= {"missing_skill": self.watched.missing, "missing_skill_limit": level.chance.limit}
        return found

    def outcomes(self) -> Iterator[FigureOutcome]:
        """Of each figure that the policy judges; of all of them, if there are too few days."""
        if len(self.judged) < self.policy.minimum_days:
            yield FigureOutcome(
                state=DriftState.TOO_FEW_TO_KNOW,
                sentence=f"{len(self.judged)} of the last {self.policy.days} matured days came after the evaluation of "
                f"the first model and have labels; fewer than {self.policy.minimum_days} decide nothing",
                known=False,
            )
            return
        for rule in (self._excess(), self._gap(), self._knows(), self._best()):
            if isinstance(rule, FigureOutcome):
                yield rule
            elif rule is not None:
                yield self._outcome(rule)
        if self.policy.skill is not None:
            yield self._skill()

    # ── means over the last days ──────────────────────────────────────────────────────────────────────────────────────

    def _outcome(self, rule: _Rule) -> FigureOutcome:
        stretch = f"over {len(rule.over)} matured days, {rule.over[0].day} to {rule.over[-1].day}"
        sentence = f"{stretch}, {rule.words(rule.over)}"
        if not rule.beyond(rule.over):
            return FigureOutcome(state=DriftState.STABLE, sentence=sentence)
        days = [each for each in self.series if rule.above(each) is not None]
        since = began(rule, days, self.last, policy=self.policy, first=self._champions.first)
        if since is None:
            return FigureOutcome(
                state=DriftState.STABLE, sentence=f"{sentence}; it was not, over days since a model took over"
            )
        return answered(rule, since, [each for each in days if each.day >= since], self._champions, sentence)

    def _excess(self) -> _Rule | FigureOutcome | None:
        limit = self.policy.excess_loss
        if limit is None:
            return None
        if self._expected(self.judged) is None:
            return FigureOutcome(
                state=DriftState.STABLE,
                known=False,
                sentence=f"over {len(self.judged)} matured days, the loss is {_mean(self.judged, 'loss'):.4f}, and no "
                "holdout day of the model's evaluation has enough labelled rows to say what to expect",
            )

        def excess(days: JudgedDays) -> tuple[float, float]:
            return _mean(days, "loss"), self._expected(days) or 0.0

        def words(days: JudgedDays) -> str:
            loss, expected = excess(days)
            return (
                f"the loss is {loss:.4f}, {loss - expected:+.4f} against the expected {expected:.4f}; "
                f"{'above' if loss - expected > limit else 'within'} the accepted {limit:+.4f}"
            )

        def above(day: DayOfSeries) -> float | None:
            expected = self._expected([day])
            return None if day.loss is None or expected is None else day.loss - expected - limit

        def beyond(days: JudgedDays) -> bool:
            return excess(days)[0] - excess(days)[1] > limit

        return _Rule(
            over=self.judged, beyond=beyond, above=above, words=words, accepted=f"{limit:+.4f}",
            shown=lambda days: f"{excess(days)[0] - excess(days)[1]:+.4f}",
        )  # fmt: skip

    def _gap(self) -> _Rule | None:
        limit = self.policy.calibration_gap
        if limit is None:
            return None

        def gap(days: JudgedDays) -> float:
            return _mean(days, "mean_score") - _mean(days, "mean_label")

        def words(days: JudgedDays) -> str:
            score, label = _mean(days, "mean_score"), _mean(days, "mean_label")
            return (
                f"{score:.4f} is predicted on average and {label:.4f} came, a gap of {score - label:+.4f}; "
                f"{'beyond' if abs(score - label) > limit else 'within'} ±{limit:.4f}"
            )

        side = math.copysign(1.0, gap(self.judged))

        def above(day: DayOfSeries) -> float | None:
            return None if day.loss is None else side * gap([day]) - limit

        return _Rule(
            over=self.judged, beyond=lambda days: abs(gap(days)) > limit, above=above, words=words,
            shown=lambda days: f"{gap(days):+.4f}", accepted=f"±{limit:.4f}",
        )  # fmt: skip

    def _knows(self) -> _Rule | None:
        """Whether it knows more than the constant at all; a day costs at most as much as a usual one gains."""
        floor = -self.level.usual if self.level else -math.inf

        def knows(days: JudgedDays) -> float:
            return fmean(max(skill, floor) for skill in self._comparable(days))

        def above(day: DayOfSeries) -> float | None:
            return None if day.skill is None else -knows([day])

        def words(days: JudgedDays) -> str:
            if self.level and (score := skill_score(days)) is not None:
                return f"the skill score is {score:.1%}; knowing no feature has 0"
            side = "below" if knows(days) > 0 else "above"
            return f"the loss lies {abs(knows(days)):.4f} {side} that of the constant, which knows no feature"

        days = [each for each in self.judged if each.skill is not None]
        if self.policy.skill is None or len(days) < self.policy.minimum_days:
            return None
        return _Rule(
            over=days, beyond=lambda days: knows(days) <= 0, above=above, words=words,
            shown=lambda days: f"{-knows(days):+.4f} beside the constant's loss", accepted="less than 0",
        )  # fmt: skip

    def _best(self) -> _Rule | None:
        """Whether it does worse than the best champion of the last 180 days, by more than may be lost."""
        days = [each for each in self.judged if each.best_loss is not None]
        if self.level is None or len(days) < self.policy.minimum_days:
            return None
        drop, level = self.level.drop, self.level

        def above(day: DayOfSeries) -> float | None:
            return None if day.loss is None or day.best_loss is None else behind([day]) - drop

        def behind(days: JudgedDays) -> float:
            of = [(each.day, each.loss, each.best_loss) for each in days]
            return fmean(
                level.of_usual(day, loss - best) for day, loss, best in of if loss is not None and best is not None
            )

        def words(days: JudgedDays) -> str:
            return (
                f"the skill score is {-level.score(behind(days)):+.1%} beside that of version {days[-1].best}, the "
                f"best of the last 180 days; {'beyond' if behind(days) > drop else 'within'} the accepted "
                f"{-level.score(drop):+.1%}"
            )

        return _Rule(
            over=days, beyond=lambda days: behind(days) > drop, above=above, words=words,
            shown=lambda days: f"{-level.score(behind(days)):+.1%}", accepted=f"{-level.score(drop):+.1%}",
        )  # fmt: skip

    # ── the recipe over the whole series ──────────────────────────────────────────────────────────────────────────────

    def _skill(self) -> FigureOutcome:
        if self.watched is None:
            return FigureOutcome(state=DriftState.STABLE, sentence=self._no_level(), known=False)
        level, watched = self.watched.level, self.watched
        usual, lowest = f"{level.score(level.usual):.1%}", f"{level.score(level.tolerated):.1%}"
        stretch, words = f"{level.days[0]} to {level.days[-1]}", "the skill score (1 - loss / the constant's loss)"
        if not watched.alarm or watched.since is None:
            return FigureOutcome(
                state=DriftState.STABLE,
                sentence=f"over {stretch} {words} was {usual}, and may come down to {lowest}; no more is missing than "
                "chance brings",
            )
        began = watched.since
        days = [each for each in self.series if each.day >= began and each.skill is not None]
        now = f"{skill_score(days) or 0.0:.1%}"
        sentence = (
            f"since {began} {words} is {now}, not the {usual} that was usual over {stretch}: more is missing than "
            f"chance brings where it may come down to {lowest}"
        )

        def missing(days: JudgedDays) -> float:
            return fmean(level.missing(skill) for skill in self._comparable(days))

        def short(day: DayOfSeries) -> float | None:
            return None if day.skill is None else level.usual - level.drop / 2 - level.of_usual(day.day, day.skill)

        missed = DecidingMean(
            beyond=lambda days: missing(days) > 0, above=short,
            shown=lambda days: f"{skill_score(days) or 0.0:.1%}", accepted=lowest,
        )  # fmt: skip
        return answered(missed, began, days, self._champions, sentence)

    def _no_level(self) -> str:
        policy = self.policy.skill
        assert policy is not None  # noqa: S101  # asked only if there is one
        told = sum(
            each.skill is not None and (policy.since is None or each.day >= policy.since) for each in self.series
        )
        if told < policy.usual_days:
            return f"{policy.usual_days} days show what skill is usual, and {told} are there"
        return f"over its first {policy.usual_days} days the recipe knew no more than the constant"

    def _comparable(self, days: JudgedDays) -> list[float]:
        """The skill of *days* as on days as hard as the usual ones; as it is where nothing says what is usual."""
        if self.level is None:
            return _with_skill(days)
        return [self.level.of_usual(each.day, each.skill) for each in days if each.skill is not None]

    def _expected(self, days: JudgedDays) -> float | None:
        expected = [self._evaluated if each.expected_loss is None else each.expected_loss for each in days]
        known = [each for each in expected if each is not None]
        return fmean(known) if len(known) == len(days) else None


def _with_skill(days: JudgedDays) -> list[float]:
    return [each.skill for each in days if each.skill is not None]


def _mean(days: JudgedDays, name: str) -> float:
    """The mean of a figure that all judged *days* have."""
    return fmean(getattr(each, name) for each in days)
