"""The page of a validation: one file without a value of the data, without a script, without another host."""

from collections.abc import Sequence
from pathlib import Path

from include.core.project import Expectation, Project, Severity
from include.core.records import CheckResult, Snapshot

_TEMPLATE = Path(__file__).with_name("report.html.jinja")


def render(
    *,
    project: Project,
    snapshot: Snapshot,
    snapshot_digest: str,
    checks: Sequence[CheckResult],
    unread: Sequence[Expectation],
) -> str:
    """*checks* as HTML, failures first, the gravest at the top; *unread* are checks of columns that were not read."""
    from jinja2 import Environment, StrictUndefined

    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_TEMPLATE.read_text())
    order = list(Severity)
    return template.render(
        project=project,
        snapshot=snapshot,
        snapshot_digest=snapshot_digest,
        checks=sorted(checks, key=lambda one: (one.success, order.index(one.severity), one.dataset, one.expectation)),
        critical=sum(not one.success and one.severity is Severity.CRITICAL for one in checks),
        warnings=sum(not one.success and one.severity is Severity.WARNING for one in checks),
        unread=unread,
    )
