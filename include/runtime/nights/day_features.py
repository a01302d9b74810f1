"""Features of a few days as a data frame, in this process: what nights compute of these days, built or found again."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from include import declared, steps
from include.core.errors import DeclarationError
from include.core.project import Project, Window
from include.core.records import DAY, Contract, Days, FeatureSet, day_start
from include.core.runs import RunKind, run_id_of
from include.runtime.nights.platform import open_platform, signed_in_here, utc_now
from include.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

#: A window divides into three stretches of a day at least; which is which decides nothing here.
_LEAST_DAYS = 3


def day_features(
    settings: Settings, project: Project, days: Days, *, clock: Callable[[], datetime] = utc_now
) -> "pd.DataFrame":
    """The rows of *days*, by day and key: the key, ``day``, ``predicted_at``, and each feature as models get it.

    Personal fields are as the snapshot has them: tokens, or not at all. The label is not among them: *days* may be held
    out. Each call is a run of its own, beside nights, with its receipts: the record names who asked, and the days.

    Raises:
        AccessDenied: no grant covers what is read; what a night of the project reads is asked for.
        DeclarationError: days that have not matured, or that no night of the project learns.
        FeatureLeak: a feature knows the future.
        DataError: production data of these days, or of those that features look back to, cannot be read.
    """
    from include.data.labelled import read_features
    from include.declared.compiled import PREDICTED_AT

    platform, now = open_platform(settings), clock()
    contract = platform.contracts[project.learning.target.dataset]
    part, instant = _narrowed(project, days, contract, now)
    run_id = run_id_of(RunKind.FEATURES, f"{days.first}__{days.last}__{now:%Y-%m-%dT%H:%M:%S.%f}")
    start = signed_in_here()
    run = steps.begin(platform, part, run_id=run_id, instant=instant, now=now, kind=RunKind.FEATURES, start=start)
    scope = steps.scope_of(platform, run)
    asked = declared.scope_of(project, platform.contracts)
    steps.require_access(platform, run, requester=settings.user, now=clock(), asked=asked)
    snapshot = steps.snapshot(platform, part, run, now=clock())
    built = platform.load(FeatureSet, steps.features(platform, part, run, snapshot, now=clock()))
    wanted = [partition.content for partition in built.partitions if partition.day in days]
    opened = platform.vault.open(wanted, run=run, step="look", scope=scope, now=clock())
    beside = [name for name in ("day", PREDICTED_AT) if name not in built.key]
    frame: pd.DataFrame = read_features(built, days, opened, beside=beside).to_pandas()
    return frame


def _narrowed(project: Project, days: Days, contract: Contract, now: datetime) -> tuple[Project, datetime]:
    """*project* with a window of *days*, and the instant at which the last of them had matured."""
    window = project.learning.window
    if not 1 <= len(days) <= window.days or (window.since is not None and days.first < window.since):
        since = f", and none before {window.since}" if window.since else ""
        raise DeclarationError(
            f"features are shown of days that a night of {project.name!r} may learn: {window.days} at a time{since}",
            value=f"{days.first} to {days.last}",
            remedy="Name fewer or later days, the first one first.",
        )
    last = max(days.last, window.since + (_LEAST_DAYS - 1) * DAY) if window.since else days.last
    instant = day_start(last + (contract.matures_after_days + 1) * DAY)
    if instant > now:
        raise DeclarationError(
            "features are shown of days that have matured, as nights learn no others",
            value=f"{last} matures at {instant:%Y-%m-%d %H:%M} UTC, it is {now:%Y-%m-%d %H:%M}",
            remedy="Name earlier days.",
        )
    taken = max(len(Days(first=days.first, last=last)), _LEAST_DAYS)
    part = project.varied(window=Window(days=taken, validation_days=1, holdout_days=1, since=window.since))
    return part, instant
