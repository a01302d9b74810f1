"""Expectations on rows, as Great Expectations checks them: a batch at once, the days of a failure one by one."""

import logging
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core.errors import DeclarationError
from include.core.moments import compared, moment, with_moments
from include.core.project import Expectation
from include.core.records import CheckResult
from include.data.window_checks import ROW_COUNTS, check_row_counts
from include.declared.scope import columns_of

if TYPE_CHECKING:
    import pandas as pd

#: All that is ever taken out of a result: what else stands there may hold values.
COUNTS = ("element_count", "missing_count", "unexpected_count")
#: Answers yes or no, and nothing of the data.
_YES_OR_NO: dict[str, object] = {"result_format": "BOOLEAN_ONLY"}
_COUNTED: dict[str, object] = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """New rows of one dataset: ``frame`` holds the days one after another, ``days`` their first and past-last row."""

    dataset: str
    frame: "pd.DataFrame"
    days: Mapping[date | None, tuple[int, int]]


def check(batch: Batch, expectations: Sequence[Expectation]) -> list[CheckResult]:
    """The outcome of each of *expectations* on *batch*, in their order, with counts where it failed.

    A failure is looked for in each day by itself; ``days`` stays empty where only the batch as a whole fails.

    Raises:
        DeclarationError: an expectation does not exist, has other arguments, or cannot be evaluated on its columns.
    """
    succeeded = _Suite(batch, expectations).run(batch.frame, _YES_OR_NO)
    failing = [place for place, outcome in enumerate(succeeded) if not outcome["success"]]
    counts, days = _of_failures(batch, {place: expectations[place] for place in failing}) if failing else ({}, {})
    return [
        _outcome(batch.dataset, expectation, len(batch.frame), counts.get(place), days.get(place, ()))
        for place, expectation in enumerate(expectations)
    ]


def check_in_turn(batches: Callable[[], Iterator[Batch]], expectations: Sequence[Expectation]) -> list[CheckResult]:
    """As :func:`check`, of all rows of *batches*, each of which holds some days, one at a time.

    In each of *expectations* the counts of batches add up to those of all rows. Raises as :func:`check`.
    """
    failing, rows, dataset = set[int](), 0, ""
    for batch in batches():
        outcomes = _Suite(batch, expectations).run(batch.frame, _YES_OR_NO)
        failing |= {place for place, outcome in enumerate(outcomes) if not outcome["success"]}
        rows, dataset = rows + len(batch.frame), batch.dataset
    # What holds in each batch holds in all of them; what fails in one may hold for most rows of all.
    chosen = {place: expectations[place] for place in sorted(failing)}
    counts: dict[int, Counter[str]] = {place: Counter() for place in chosen}
    days: dict[int, tuple[date, ...]] = dict.fromkeys(chosen, ())
    for batch in batches() if chosen else ():
        found, failed_on = _of_failures(batch, chosen)
        for place in chosen:
            counts[place].update(found[place])
            days[place] += failed_on[place]
    failed = {place for place, expectation in chosen.items() if not _meets(expectation, counts[place])}
    return [
        _outcome(
            dataset, each, rows, counts[place] if place in failed else None, days[place] if place in failed else ()
        )
        for place, each in enumerate(expectations)
    ]


def _meets(expectation: Expectation, counts: Mapping[str, int]) -> bool:
    """Whether enough rows are as expected, counted as Great Expectations does."""
    considered = float(counts["element_count"] - counts.get("missing_count", 0))
    mostly = expectation.arguments.get("mostly", 1)
    least = float(mostly) if isinstance(mostly, int | float) else 1.0
    return not considered or (considered - counts["unexpected_count"]) / considered >= least


def _outcome(
    dataset: str, expectation: Expectation, rows: int, counts: Mapping[str, Any] | None, days: tuple[date, ...]
) -> CheckResult:
    """*counts* are those of a failure; ``None``: it succeeded."""
    return CheckResult(
        dataset=dataset,
        expectation=expectation.kind,
        column=", ".join(sorted(columns_of(expectation))) or None,
        severity=expectation.severity,
        success=counts is None,
        rows=(counts or {}).get("element_count", rows),
        unexpected=(counts or {}).get("unexpected_count"),
        days=days,
        limits=expectation.limits,
    )


def _of_failures(
    batch: Batch, failing: Mapping[int, Expectation]
) -> tuple[dict[int, dict[str, Any]], dict[int, tuple[date, ...]]]:
    """The counts and the days of each failing expectation, by its place."""
    failed = _Suite(batch, list(failing.values()))
    counts = zip(failing, failed.run(batch.frame, _COUNTED), strict=True)
    days = zip(failing, _failing_days(batch, failed), strict=True)
    return dict(counts), dict(days)


def _failing_days(batch: Batch, failed: "_Suite") -> list[tuple[date, ...]]:
    days: list[list[date]] = [[] for _ in failed.expectations]
    for day, (start, stop) in batch.days.items():
        if day is None or start == stop:
            continue
        for found, outcome in zip(days, failed.run(batch.frame.iloc[start:stop], _YES_OR_NO), strict=True):
            if not outcome["success"]:
                found.append(day)
    return [tuple(found) for found in days]


def require_known(expectation: Expectation) -> None:
    """Check that *expectation* exists, and the arguments of one about numbers of rows. Cheap, if it does.

    Raises:
        DeclarationError: it does not, or is about numbers of rows and has other arguments.
    """
    if expectation.kind in ROW_COUNTS:
        check_row_counts(expectation, [])
        return
    # Importing Great Expectations takes seconds; each of its expectations is a file that is called like it. Others are
    # registered by who imported it.
    package = find_spec("great_expectations")
    folders = package.submodule_search_locations if package else None
    known = any(
        (Path(folder) / "expectations" / "core" / f"{expectation.kind}.py").is_file() for folder in folders or ()
    )
    if not known and "great_expectations" not in sys.modules:
        raise _unknown(expectation)
    if not known:
        _declared(expectation, 0)


class _Suite:
    """Expectations as Great Expectations holds them, run over one frame after another."""

    def __init__(self, batch: Batch, expectations: Sequence[Expectation]) -> None:
        import great_expectations as gx  # seconds: only a night with new days pays them

        self.expectations = expectations
        times = {str(name) for name, kind in batch.frame.dtypes.items() if kind.kind == "M"}
        declared = [_declared(expectation, place, times) for place, expectation in enumerate(expectations)]
        self._rows = _rows()  # first: it makes the context that a suite belongs to
        self._suite = gx.ExpectationSuite(name=batch.dataset, expectations=declared)

    def run(self, frame: "pd.DataFrame", result_format: Mapping[str, object]) -> list[dict[str, Any]]:
        """For each expectation its ``success`` and the allowed counts, in their order."""
        held = self._rows.get_batch({"dataframe": frame})
        outcomes: dict[int, dict[str, Any]] = {}
        for result in held.validate(self._suite, result_format=dict(result_format)).results:
            place = result.expectation_config.meta["place"]
            _require_evaluated(self.expectations[place], result.exception_info)
            counts = {name: int(result.result[name]) for name in COUNTS if result.result.get(name) is not None}
            outcomes[place] = {"success": bool(result.success), **counts}
        return [outcomes[place] for place in range(len(self.expectations))]


def require_moments(expectation: Expectation) -> None:
    """Check that what *expectation* compares a column of dates or times with are dates or times.

    Raises:
        DeclarationError: one is not.
    """
    for name, value in compared(expectation.kind, expectation.arguments):
        try:
            moment(value)
        except ValueError:
            raise DeclarationError(
                f"{expectation.dataset}: a bound on dates or times is an ISO 8601 date or time, in UTC",
                value=f"{name} {value!r} of {expectation.kind}",
                remedy="Write 2026-03-01 or 2026-03-01T05:00Z.",
            ) from None


@cache
def _rows() -> Any:
    """The one batch definition that all frames pass through: making a context costs as much as a suite's checks."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    # It reports every context, data source and function that it registers, which floods a task's log.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars={"globally": False},
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("snapshot").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows")


def _declared(expectation: Expectation, place: int, times: Collection[str] = ()) -> Any:
    """Great Expectations' own object of the declaration; ``place`` in its meta finds it again among the results.

    *times* are the columns of timestamps.
    """
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    arguments = expectation.arguments
    if not columns_of(expectation).isdisjoint(times):
        require_moments(expectation)
        arguments = with_moments(expectation.kind, arguments)
    try:
        kind = get_expectation_impl(expectation.kind)
        return kind(**arguments, severity=expectation.severity.value, meta={"place": place})
    except ExpectationNotFoundError:
        raise _unknown(expectation) from None
    except (TypeError, ValueError) as error:
        raise DeclarationError(
            f"{expectation.dataset}: {expectation.kind} takes the arguments that it is given",
            value=f"{type(error).__name__} for {sorted(expectation.arguments)}",
            remedy="Correct the arguments in the contract's `quality`, or in the `quality` of the project.",
        ) from None


def _unknown(expectation: Expectation) -> DeclarationError:
    return DeclarationError(
        f"{expectation.dataset}: Great Expectations knows the expectation",
        value=expectation.kind,
        remedy="Use the snake-case name of one of its expectations, such as expect_column_values_to_not_be_null.",
    )


def _require_evaluated(expectation: Expectation, exception_info: Mapping[str, Any]) -> None:
    infos = [exception_info, *(info for info in exception_info.values() if isinstance(info, dict))]
    if any(info.get("raised_exception") for info in infos):  # its message may quote a value
        raise DeclarationError(
            f"{expectation.dataset}: {expectation.kind} can be evaluated on its columns",
            value=f"columns {sorted(columns_of(expectation)) or 'none'}, arguments {sorted(expectation.arguments)}",
            remedy="Use an expectation that fits the columns' types.",
        )
