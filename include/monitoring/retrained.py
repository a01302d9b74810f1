"""Did retraining help? What a figure that is beyond its limit asks for, by the days since models took over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from include.core.records import DriftState
from include.monitoring.onset import JudgedDays, LimitedMean
from include.monitoring.skill import LEAST_AFTER, MOST_AFTER, came_after

#: A champion has learnt of a change if it learnt this many days of it.
LEARNT_DAYS = 7
#: With which error probability days are called nearer to a limit, and how many times they are dealt out anew.
_ERROR, _DEALS, _SEED = 0.05, 2_000, 7


@dataclass(frozen=True, kw_only=True)
class FigureOutcome:
    """What one figure comes to: the ``state`` that it asks for, a sentence that says why, and since when it lasts."""

    state: DriftState
    sentence: str
    began: date | None = None
    known: bool = True


@dataclass(frozen=True, kw_only=True)
class DecidingMean(LimitedMean):
    """A mean that has a limit and decides: what it comes to over days (``shown``), and what is ``accepted``."""

    shown: Callable[[JudgedDays], str]
    accepted: str


@dataclass(frozen=True, kw_only=True)
class ChampionHistory:
    """Of each champion the ``first`` day that it judged, and who is in force ``now``, which may have judged none.

    One that takes over on a day has learnt nothing of the ``blind_days`` before it.
    """

    first: Mapping[int, date]
    now: int | None
    blind_days: int

    def came_after(self, began: date, champion: int) -> bool:
        return came_after(began, self.first, champion)

    def knows_of(self, began: date, champion: int) -> bool:
        """Whether *champion* has learnt from days since something *began*."""
        return came_after(began, self.first, champion, days=self.blind_days + LEARNT_DAYS)


def answered(
    mean: DecidingMean, began: date, days: JudgedDays, champions: ChampionHistory, sentence: str
) -> FigureOutcome:
    """What *mean*, which is beyond its limit since *began*, asks for, by the *days* from then on, which all have it."""
    after = [each for each in days if champions.came_after(began, each.champion)]
    newest = champions.now is not None and champions.now not in champions.first
    if not after and not newest:
        return FigureOutcome(state=DriftState.RETRAIN, sentence=sentence, began=began)
    if len(after) < LEAST_AFTER:
        waits = f"{sentence}; a model took over since, and {len(after)} of {LEAST_AFTER} days show whether it helped"
        return FigureOutcome(state=DriftState.TOO_FEW_TO_KNOW, sentence=waits, began=began)
    knowing = [each for each in days if champions.knows_of(began, each.champion)]
    lately = knowing[-MOST_AFTER:]
    if len(knowing) >= LEAST_AFTER and mean.beyond(lately):
        before = [each for each in days if not champions.knows_of(began, each.champion)]
        learnt = f"by models that have learnt from days since {began}"
        if len(before) >= LEAST_AFTER and surely_nearer(_above(mean, lately), _above(mean, before)):
            part = f"{mean.shown(lately)} after {mean.shown(before)}, where {mean.accepted} is accepted"
            helps = f"{sentence}; over {len(lately)} days {learnt}, retraining brought back part of it: {part}"
            return FigureOutcome(state=DriftState.RETRAIN, sentence=helps, began=began)
        told = f"{sentence}; so it is over {len(knowing)} days {learnt}"
        return FigureOutcome(state=DriftState.FAILING, sentence=told, began=began)
    if mean.beyond(after[-MOST_AFTER:]):
        return FigureOutcome(
            state=DriftState.RETRAIN, sentence=f"{sentence}; so it is since a model took over", began=began
        )
    helped = f"{sentence}; over the {len(after)} days since a model took over it is not"
    return FigureOutcome(state=DriftState.STABLE, sentence=helped)


def surely_nearer(now: Sequence[float], before: Sequence[float]) -> bool:
    """Whether days lie less far above a limit *now* than *before*, in the mean, by more than chance brings.

    A permutation test (Fisher, The Design of Experiments, 1935, section 21): were they alike, any of them could have
    been those of now, and in no more than 1 of 20 such deals would these come to as little. One freak day decides
    nothing. It takes days for independent: where each is like the one before it, chance brings it more often, 1 time in
    6 where they correlate by .5.
    """
    import numpy as np

    days = np.array([*now, *before])
    keys = np.random.default_rng(_SEED).random((_DEALS, len(days)), dtype=np.float32)
    dealt = days[keys.argpartition(len(now), axis=1)[:, : len(now)]].sum(axis=1)
    rounding = 1e-9 * float(np.abs(days).sum())
    as_little = int((dealt <= days[: len(now)].sum() + rounding).sum())
    return (1 + as_little) / (1 + _DEALS) <= _ERROR


def _above(mean: DecidingMean, days: JudgedDays) -> list[float]:
    return [above for each in days if (above := mean.above(each)) is not None]
