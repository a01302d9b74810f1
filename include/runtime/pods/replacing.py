"""Whether a pod that ended is followed by another one. Pure."""

from dataclasses import dataclass

from include.runtime.pods import diagnosis
from include.runtime.pods.endings import PodEnding, PodOutcome
from include.runtime.pods.request import PodRequest

#: How many pods of one request that were lost or killed are replaced.
REPLACED = 20
#: This many pods that are killed with nothing newly stored are none that another one would do better than.
KILLED = 3


@dataclass(kw_only=True)
class Replacements:
    """What became of the pods of *request* so far: lost or killed, and killed with nothing newly stored."""

    request: PodRequest
    _lost: int = 0
    _killed: int = 0
    _stored: int = 0

    def judged(self, ending: PodEnding, stored: int | None) -> PodEnding:
        """*ending*, or one for good where too many pods were killed in vain.

        *stored* is how many results of the request nobody has recorded yet; ``None``: nobody knows. What a pod of an
        earlier attempt stored counts as new once: a request is never ended too early.
        """
        if ending.outcome in (PodOutcome.LOST, PodOutcome.KILLED):
            self._lost += 1
        if ending.outcome is not PodOutcome.KILLED:
            return ending
        self._killed = 0 if stored is None or stored > self._stored else self._killed + 1
        self._stored = self._stored if stored is None else stored
        return diagnosis.killed_in_vain(ending, self.request, KILLED) if self._killed >= KILLED else ending

    def follows(self, ending: PodEnding) -> bool:
        """Whether another pod takes up what the pod that ended so left; a queue may take back as many as it likes."""
        lost = ending.outcome in (PodOutcome.LOST, PodOutcome.KILLED) and self._lost <= REPLACED
        return lost or ending.outcome is PodOutcome.REQUEUED
