"""Trainings that are not over: what is kept of each, so that who takes it up goes on as if nothing had been.

A training comes by the same states whatever interrupts it, so whichever of them is kept, by whomever, is right; the
latest saves most. What is kept is no artifact: it is replaced as the training goes on, and removed when that has ended.
"""

import json
import time
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from threading import Event
from typing import Any, Protocol

from include.core.canonical import digest_of
from include.core.errors import StoreUnavailable
from include.core.project import Objective
from include.core.records import Params
from include.learner.port import Learner, Training

#: So much of a shard's training may be lost, beside what its learner itself cannot go on from.
EVERY_SECONDS = 10.0
#: At most this part of the time goes into keeping: what takes long to write is written less often.
_LARGEST_PART = 0.04


class WorkingState(Protocol):
    """Bytes by name that are replaced whole, as :class:`include.governance.vault.OpenedArtifacts` keeps them."""

    def working(self, name: str) -> bytes | None: ...

    def keep_working(self, name: str, data: bytes) -> None: ...

    def remove_working(self, name: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A training that was interrupted: its ``losses`` at the rungs that it reached, and the learner's ``checkpoint``
    after ``rounds``; ``None``: there is none, and what was not asked for is trained again.
    """

    losses: tuple[float, ...] = ()
    rounds: int = 0
    checkpoint: bytes | None = None


@dataclass(kw_only=True)
class _Known:
    """How far a training is, and how far it is kept."""

    training: Training | None = None
    losses: tuple[float, ...] = ()
    kept: tuple[int, int] = (0, 0)
    stored: bool = False

    @property
    def reached(self) -> tuple[int, int]:
        return len(self.losses), 0 if self.training is None else self.training.resumable


@dataclass
class Checkpoints:
    """Keeps trainings in *state*, now and then, each under its name; where that is ``None``, none.

    That is every *every_seconds*, or more seldom where it takes long; with 0, after each round that came further.

    A state that is altered, or another training's, is none. One that cannot be kept now is kept later.
    """

    state: WorkingState | None = None
    _: KW_ONLY
    every_seconds: float = field(default_factory=lambda: EVERY_SECONDS)
    _trainings: dict[str, _Known] = field(default_factory=dict)
    _due: float = 0.0
    _leaving: Event = field(default_factory=Event)
    _left: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._due = time.monotonic() + self.every_seconds

    def of(self, name: str) -> Unfinished:
        """What was kept of the training of that *name*, by this process or any before it."""
        data = None if self.state is None else self.state.working(name)
        found = Unfinished() if data is None else _read(name, data)
        known = _Known(losses=found.losses, kept=(len(found.losses), found.rounds), stored=data is not None)
        self._trainings[name] = known
        return found

    def reached(self, name: str, training: Training, losses: tuple[float, ...] = ()) -> None:
        """*training* goes on after this: keep it if it is time, and all others that came further since they were."""
        known = self._trainings.setdefault(name, _Known())
        known.training, known.losses = training, losses
        if self.state is not None and (time.monotonic() >= self._due or self._leaving.is_set()):
            self._keep(self.state)
            if self._leaving.is_set():
                self._left.set()

    def leave(self, *, seconds: float) -> None:
        """From another thread than trains: this process ends as soon as this returns.

        What there is after the round that is under way is kept, if that round ends within so many *seconds*.
        """
        if self.state is not None and any(known.training for known in list(self._trainings.values())):
            self._leaving.set()
            self._left.wait(seconds)

    def ended(self, name: str) -> None:
        """The training has an outcome, which is recorded: nothing of it is kept any more."""
        known = self._trainings.pop(name, None)
        if self.state is not None and known is not None and known.stored:
            with suppress(StoreUnavailable):  # what is left is cleared when nobody has used it for a while
                self.state.remove_working(name)

    def _keep(self, state: WorkingState) -> None:
        began = time.monotonic()
        with suppress(StoreUnavailable):  # training goes on without it
            for name, known in self._trainings.items():
                if known.training is None or known.reached == known.kept:
                    continue
                losses, rounds = known.reached
                state.keep_working(name, _written(name, known.losses, rounds, known.training))
                known.kept, known.stored = (losses, rounds), True
        now = time.monotonic()
        pause = max(self.every_seconds, (now - began) / _LARGEST_PART)
        self._due = now + (pause if self.every_seconds else 0.0)


def begin(
    chosen: Learner,
    rows: Any,
    params: Params,
    *,
    objective: Objective,
    seed: int,
    threads: int,
    checkpoint: bytes | None,
) -> Training:
    """The training that goes on from *checkpoint*; from its beginning, where that is ``None`` or none of it."""
    if checkpoint is not None:
        with suppress(ValueError):
            return chosen.start(rows, params, objective=objective, seed=seed, threads=threads, checkpoint=checkpoint)
    return chosen.start(rows, params, objective=objective, seed=seed, threads=threads)


def _written(name: str, losses: tuple[float, ...], rounds: int, training: Training) -> bytes:
    """The digest of what follows, what it is, and the learner's checkpoint."""
    head = json.dumps({"name": name, "losses": losses, "rounds": rounds}).encode()
    body = b"\n".join([head, training.checkpoint() if rounds else b""])
    return digest_of(body).encode() + b"\n" + body


def _read(name: str, data: bytes) -> Unfinished:
    """What :func:`_written` wrote; nothing, if it did not."""
    digest, _, body = data.partition(b"\n")
    if digest_of(body).encode() != digest:
        return Unfinished()
    line, _, checkpoint = body.partition(b"\n")
    try:
        head = json.loads(line)
        losses, rounds = tuple(map(float, head["losses"])), int(head["rounds"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return Unfinished()
    if head["name"] != name:
        return Unfinished()
    return Unfinished(losses=losses, rounds=rounds, checkpoint=checkpoint if rounds else None)
