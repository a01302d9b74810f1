"""What kinds of runs there are, and what each run is called: ids are made and read here alone.

A night is called as Airflow or the command line calls it; before the name of another run stands its kind.
"""

import re
from datetime import datetime
from enum import StrEnum


class RunKind(StrEnum):
    """What a run is for. A night alone holds the project's lease; what goes on beside it registers nothing."""

    NIGHT = "night"  # trains, and decides about a model
    WATCH = "watch"  # judges the champion on the days that have matured
    BACKTEST = "backtest"  # trains in the past
    SAMPLE = "sample"  # tries a declaration on a few days
    FEATURES = "features"  # hands features out as a data frame
    SCORE = "score"  # scores a file with the champion
    LOAD = "load"  # hands the champion out


_BETWEEN = "__"
_BY_HAND = re.compile(r"manual__\d{4}-\d\d-\d\dT\d\d:\d\d__[0-9a-f]{8}")
#: A night that answers an ask: started in Airflow in place of a lost event, or in this process.
_RETRAINING, _HERE = "retraining", "here"


def run_id_of(kind: RunKind, name: str) -> str:
    """What the ledger calls the run *name* of this *kind*: two DAGs of a project may have runs of one name."""
    return name if kind is RunKind.NIGHT else f"{kind}{_BETWEEN}{name}"


def kind_of(run_id: str) -> RunKind:
    """The kind that a run's id says. A run that has begun has recorded it."""
    word, between, _ = run_id.partition(_BETWEEN)
    return RunKind(word) if between and word in list(RunKind) else RunKind.NIGHT


def name_of(run_id: str) -> str:
    """The run's id without its kind: what Airflow calls it."""
    return run_id.removeprefix(run_id_of(kind_of(run_id), ""))


def at(instant: datetime, declared_digest: str) -> str:
    """The name of a run at *instant* that is the same as long as code and contracts are."""
    return f"{instant:%Y-%m-%dT%H:%M}{_BETWEEN}{declared_digest.removeprefix('sha256:')[:8]}"


def by_hand(instant: datetime, declared_digest: str) -> str:
    """:func:`at`, of one by the command line."""
    return f"manual{_BETWEEN}{at(instant, declared_digest)}"


def is_by_hand(run_id: str) -> bool:
    """Whether the command line named the run: Airflow does not know it."""
    return _BY_HAND.fullmatch(name_of(run_id)) is not None


def retraining(ask_id: str, attempt: int = 1) -> str:
    """The name of the night that Airflow is to start for an ask, at the *attempt*-th time."""
    return _BETWEEN.join((_RETRAINING, ask_id, *([str(attempt)] if attempt > 1 else [])))


def is_retraining(name: str) -> bool:
    """Whether it is one of :func:`retraining`."""
    return name.startswith(_RETRAINING + _BETWEEN)


def retraining_here(ask_id: str) -> str:
    """The name of the night that this process runs for an ask: none of Airflow's."""
    return f"{_HERE}{_BETWEEN}{ask_id}"
