"""Did a retraining help? The days after it decide, which the new champion and its predecessor both scored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from include.core.canonical import record_digest
from include.core.records import DayOfSeries, Interval
from include.data.resampling import paired_interval

#: Of fewer retrainings together nothing is concluded.
LEAST_RETRAININGS = 8
#: A year of nightly retrainings is pooled in a tenth of a second.
_RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class RetrainingEffect:
    """A ``version`` that replaced ``predecessor``, on the days that both scored while it was champion.

    ``differences`` are the daily ones of their losses, in the days' order: below 0, the new one is better.
    """

    version: int
    predecessor: int
    differences: tuple[float, ...]

    @property
    def difference(self) -> float:
        return fmean(self.differences)

    def interval(self) -> Interval | None:
        """The mean with its one-sided 95 % bounds, whole days resampled; ``None``: there is one day only."""
        days = np.arange(len(self.differences), dtype=np.int32)
        return paired_interval(np.array(self.differences), days, seed=_seed(self.differences))


@dataclass(frozen=True, kw_only=True)
class RetrainingEffects:
    """All retrainings of a project that have such days, in the order of their first, and what they come to together.

    ``pooled`` is the mean over all their days with its one-sided 95 % bounds, whole retrainings resampled; ``None``:
    there are fewer than eight, which allow no conclusion.
    """

    retrainings: tuple[RetrainingEffect, ...]
    pooled: Interval | None

    def in_words(self) -> str:
        """One line of what may be said."""
        count = len(self.retrainings)
        if not count:
            return "did retraining help: no retraining has a day yet that both champions scored"
        if self.pooled is None:
            return f"did retraining help: pooled over {count} retrainings: nothing is said below eight"
        if self.pooled.upper < 0:
            said = "it helped"
        elif self.pooled.lower > 0:
            said = "it did harm"
        else:
            said = "neither help nor harm can be shown"
        days = sum(len(each.differences) for each in self.retrainings)
        return (
            f"did retraining help: pooled over {count} retrainings and {days} days, the new champion's loss is "
            f"{self.pooled.estimate:+.4f} against its predecessor's ({self.pooled.lower:+.4f} to "
            f"{self.pooled.upper:+.4f}): {said}"
        )


def helped(series: Iterable[DayOfSeries]) -> RetrainingEffects:
    """What the *series*, in the order of its days, says of each retraining and of all together.

    A champion that was gone back to was not retrained: it counts for none.
    """
    found: dict[tuple[int, int], list[float]] = {}
    for day in series:
        if day.predecessor is None or day.loss is None or day.predecessor_loss is None:
            continue
        if day.champion > day.predecessor:
            found.setdefault((day.champion, day.predecessor), []).append(day.loss - day.predecessor_loss)
    retrainings = tuple(
        RetrainingEffect(version=version, predecessor=predecessor, differences=tuple(differences))
        for (version, predecessor), differences in found.items()
    )
    return RetrainingEffects(
        retrainings=retrainings, pooled=_pooled(retrainings) if len(retrainings) >= LEAST_RETRAININGS else None
    )


def _pooled(retrainings: Sequence[RetrainingEffect]) -> Interval | None:
    differences = [each for one in retrainings for each in one.differences]
    groups = np.repeat(np.arange(len(retrainings), dtype=np.int32), [len(one.differences) for one in retrainings])
    return paired_interval(np.array(differences), groups, seed=_seed(differences), resamples=_RESAMPLES)


def _seed(differences: Sequence[float]) -> int:
    """The same figures are resampled alike, by whoever asks."""
    return int(record_digest(tuple(differences)).removeprefix("sha256:")[:8], 16)
