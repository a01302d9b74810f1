"""What each trial takes in this process: time, processors, and accelerators that it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from include.core.clocks import clocks
from include.core.records import TrialCost, TrialState, short_id


@dataclass(kw_only=True)
class ShardMeter:
    """Adds up what the trials of a shard take, rung by rung, while they train one after the other.

    What is common to them, loading their rows, say, is nobody's. It is read from other threads, too.
    """

    _seconds: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    _ended: dict[str, TrialState] = field(default_factory=dict)

    @contextmanager
    def training(self, trial_id: str, *, accelerators: int) -> Iterator[None]:
        """Count the block as the trial's, which holds so many *accelerators*; also one that raises."""
        began = clocks()
        try:
            yield
        finally:
            wall, cpu = (now - then for now, then in zip(clocks(), began, strict=True))
            known = self._seconds.get(trial_id, (0.0, 0.0, 0.0))
            self._seconds[trial_id] = (known[0] + wall, known[1] + cpu, known[2] + wall * accelerators)

    def end(self, trial_id: str, state: TrialState) -> None:
        self._ended[trial_id] = state

    def of(self, trial_id: str) -> TrialCost:
        """What the trial took until now."""
        wall, cpu, gpu = (round(each, 3) for each in self._seconds.get(trial_id, (0.0, 0.0, 0.0)))
        return TrialCost(
            trial=short_id(trial_id),
            ended=self._ended.get(trial_id),
            wall_seconds=wall,
            cpu_seconds=cpu,
            gpu_seconds=gpu,
        )

    def all(self) -> tuple[TrialCost, ...]:
        """Of each trial that trained at all, in the order in which they began."""
        return tuple(self.of(trial_id) for trial_id in list(self._seconds))
