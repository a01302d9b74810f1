"""What a pod can be seen to be: waiting, running or ended, and the ways to end."""

from dataclasses import dataclass
from enum import StrEnum

from include.core.records import TrainerCost


class PodOutcome(StrEnum):
    """How a pod ended, or why it never can."""

    DONE = "done"
    LOST = "lost"  # evicted, drained, deleted, its node gone: another pod goes on
    REQUEUED = "requeued"  # its queue took it back, or somebody deleted it there: another pod waits in the queue
    KILLED = "killed"  # by SIGKILL, and nobody says why: another pod goes on
    KILLED_IN_VAIN = "killed in vain"  # so were those before it, and none of them stored anything new
    OUT_OF_MEMORY = "out of memory"
    OUT_OF_STORAGE = "out of storage"
    IMAGE_MISSING = "image missing"
    NOT_STARTED = "not started"
    ORDER_REFUSED = "order refused"
    INPUT_ALTERED = "input altered"
    STORE_UNREACHABLE = "store unreachable"
    RESULT_DIFFERS = "result differs"
    MACHINE_FAULT = "machine fault"
    ADDRESSES_LAPSED = "addresses lapsed"
    EXIT = "exit"  # any other status
    TOO_LONG = "too long"
    ORDER_OVER = "order over"  # with the grant, before the shard's time was: it is ordered again
    NEVER = "never"  # no node or quota could ever hold it
    STOPPED = "stopped"  # we gave it up: the grants were revoked, the lease or the ledger lost

    @property
    def heals(self) -> bool:
        """Whether the same shard may do better later, without anyone's help."""
        return self in _HEALING


_HEALING = frozenset(
    {
        PodOutcome.DONE,
        PodOutcome.LOST,
        PodOutcome.REQUEUED,
        PodOutcome.KILLED,
        PodOutcome.STORE_UNREACHABLE,
        PodOutcome.MACHINE_FAULT,
        PodOutcome.ADDRESSES_LAPSED,
        PodOutcome.ORDER_OVER,
        PodOutcome.STOPPED,  # the next attempt meets what stopped it, if that still holds
    }
)


@dataclass(frozen=True, kw_only=True)
class PodEnding:
    """The end of a pod. ``message`` is one line: what happened, and what to do.

    ``node``, ``image_digest`` and ``exit_code`` are ``None`` where nobody saw them, as are ``ran_seconds``, from the
    trainer's beginning to its end (``at_least``: to when it was last seen running). ``said`` is what the trainer said
    last of its cost; ``None``: nothing that is left. ``image`` asks for what ran, by its digest; ``None``: no node
    could ask so.
    """

    pod: str
    outcome: PodOutcome
    message: str
    node: str | None = None
    image: str | None = None
    image_digest: str | None = None
    exit_code: int | None = None
    ran_seconds: float | None = None
    at_least: bool = False
    said: TrainerCost | None = None


@dataclass(frozen=True, kw_only=True)
class PodWaiting:
    """It does not run yet: *why*. ``trouble``: what it will be if that lasts ``patience_seconds``."""

    why: str
    trouble: PodOutcome | None = None
    patience_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PodRunning:
    """Its container runs. ``leaving``: it was asked to end."""

    leaving: bool
