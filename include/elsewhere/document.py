"""The document of an order: all that a process needs to train a shard or a model, and all that it may reach."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from include.core.canonical import digest_of, encode
from include.core.errors import TrainingError
from include.core.gates import Benchmark
from include.core.project import Objective
from include.core.records import (
    PlannedBenchmark,
    PlannedTrial,
    Refit,
    ResultAddresses,
    Shard,
    Trial,
    TrialState,
    Winner,
)
from include.core.search import LearnerName
from include.training.engine import OTHER_CODE


@dataclass(frozen=True, kw_only=True)
class Document:
    """One ``step`` to do elsewhere, ``work``. It holds addresses that open the vault until ``expires_at``: a secret.

    ``code`` is the digest of the code that the run began with, ``engine`` that of :mod:`include.training.engine` where
    it was ordered. The store may be out of reach for ``patience_seconds``. ``artifacts`` are addresses by digest,
    ``results`` those of what is to be made, by name: the ids of the trials without an outcome, or the one name of a
    refit's model; ``working`` those of what is kept of each while it is under way. ``recorded`` are the outcomes of a
    shard's other trials.
    """

    order_id: str
    plan: str
    step: str
    code: str
    engine: str
    expires_at: datetime
    threads: int
    patience_seconds: float
    work: Shard | Refit
    artifacts: Mapping[str, str] = field(repr=False)
    results: Mapping[str, ResultAddresses] = field(repr=False)
    recorded: tuple[Trial, ...]
    working: Mapping[str, ResultAddresses] = field(repr=False, default_factory=dict)


def write(document: Document) -> tuple[str, bytes]:
    """The digest and the bytes of *document*."""
    data = encode(document)
    return digest_of(data), data


def read(data: bytes, *, digest: str) -> Document:
    """The document that *digest* names.

    Raises:
        TrainingError: *data* is not what was ordered, or was written by other code.
    """
    if digest_of(data) != digest:
        raise TrainingError(
            "the order is the recorded one",
            value=f"{digest_of(data)}, not {digest}",
            remedy="Order it again: clear its task.",
        )
    try:
        fields = json.loads(data)
        # By hand: pydantic, which reads records elsewhere, is not where shards are trained.
        return Document(
            **{name: fields[name] for name in ("order_id", "plan", "step", "code", "engine", "threads")},
            patience_seconds=fields["patience_seconds"],
            artifacts=fields["artifacts"],
            expires_at=datetime.fromisoformat(fields["expires_at"]),
            work=(_refit if "winner" in fields["work"] else _shard)(fields["work"]),
            results={trial_id: ResultAddresses(**each) for trial_id, each in fields["results"].items()},
            recorded=tuple(_trial(each) for each in fields["recorded"]),
            working={name: ResultAddresses(**each) for name, each in fields.get("working", {}).items()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            "the order is one that this code can read", value=type(error).__name__, remedy=OTHER_CODE
        ) from None


def _shard(fields: dict[str, Any]) -> Shard:
    return Shard(
        **{name: fields[name] for name in ("binned", "training_rows", "reduction", "seed")},
        objective=Objective(fields["objective"]),
        rungs=tuple(fields["rungs"]),
        trials=tuple(PlannedTrial(**_learnt(each)) for each in fields["trials"]),
        benchmark=_benchmark(fields.get("benchmark")),
    )


def _learnt(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, **({"learner": LearnerName(fields["learner"])} if "learner" in fields else {})}


def _benchmark(fields: dict[str, Any] | None) -> PlannedBenchmark | None:
    if fields is None:
        return None
    made = {**fields, "kind": Benchmark(fields["kind"]), "features": tuple(fields["features"])}
    return PlannedBenchmark(**made)


def _refit(fields: dict[str, Any]) -> Refit:
    winner = _learnt(fields["winner"])
    made = {**winner, "objective": Objective(winner["objective"]), "features": tuple(winner["features"])}
    return Refit(winner=Winner(**made), binned=fields["binned"])


def _trial(fields: dict[str, Any]) -> Trial:
    return Trial(**{**fields, "state": TrialState(fields["state"]), "losses": tuple(fields["losses"])})
