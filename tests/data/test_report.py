"""The page of a validation: whole in itself, escaped, readable by day and by night."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

from include.core.project import Expectation, Severity
from include.core.records import CheckResult, Days, Scope, Snapshot
from include.data.report import render
from tests.data.world import project_of

CHECK = CheckResult(
    dataset="sales",
    expectation="expect_column_values_to_be_between",
    column="amount",
    severity=Severity.WARNING,
    success=True,
    rows=12345,
    unexpected=None,
    days=(),
)
SNAPSHOT = Snapshot(
    project="delays",
    instant=datetime(2013, 7, 5, 1, tzinfo=UTC),
    scope=Scope(project="delays", purpose="tests", datasets=()),
    days=Days(first=date(2013, 7, 2), last=date(2013, 7, 4)),
    last_matured=date(2013, 7, 2),
    partitions=(),
)
HOSTILE = "<script>alert('1')</script>"


class _Page(HTMLParser):
    """Every start tag with its attributes, and the text of every table cell, row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.rstrip("\n")


def _render(*checks: CheckResult, unread: tuple[Expectation, ...] = ()) -> str:
    return render(project=project_of(), snapshot=SNAPSHOT, snapshot_digest="sha256:0", checks=checks, unread=unread)


def test_the_page_asks_no_host_for_anything_and_runs_nothing() -> None:
    page = _render(CHECK)
    tags = _Page(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not {name for _, attributes in tags for name in attributes} & {"src", "href", "onload", "onclick", "style"}
    assert not re.search(r"https?://|url\(|@import|//", page)


def test_the_page_follows_the_readers_light_and_dark() -> None:
    page = _render(CHECK)
    assert "prefers-color-scheme: dark" in page
    assert "color-scheme: light dark" in page


def test_a_row_tells_dataset_expectation_column_severity_result_days_and_counts() -> None:
    failed = replace(CHECK, success=False, unexpected=1234, days=(date(2013, 7, 2), date(2013, 7, 4)))
    header, row = _Page(_render(failed)).rows
    assert header == [
        "Dataset", "Expectation", "Column", "Severity", "Result", "Failing days", "Unexpected", "Rows"
    ]  # fmt: skip
    assert row == [
        "sales", CHECK.expectation, "amount", "warning", "failed", "2013-07-02, 2013-07-04", "1,234", "12,345"
    ]  # fmt: skip


def test_failures_come_first_and_the_gravest_at_the_top() -> None:
    critical = replace(CHECK, severity=Severity.CRITICAL, success=False)
    warning = replace(CHECK, success=False)
    rows = _Page(_render(CHECK, warning, critical)).rows[1:]
    assert [(row[3], row[4]) for row in rows] == [("critical", "failed"), ("warning", "failed"), ("warning", "passed")]


def test_the_verdict_is_told_in_words() -> None:
    assert "All 1 checks passed" in _render(CHECK)
    assert "1 warning: the night goes on" in _render(replace(CHECK, success=False))
    assert "1 critical check failed: the night stops here" in _render(
        replace(CHECK, success=False, severity=Severity.CRITICAL), replace(CHECK, success=False)
    )


def test_every_name_is_escaped() -> None:
    page = _render(
        replace(CHECK, dataset=HOSTILE, expectation=HOSTILE, column=HOSTILE),
        unread=(Expectation(dataset=HOSTILE, kind=HOSTILE, arguments={}),),
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5


def test_the_same_outcomes_give_the_same_page() -> None:
    assert _render(CHECK, replace(CHECK, dataset="a")) == _render(replace(CHECK, dataset="a"), CHECK)
