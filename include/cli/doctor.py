"""``doctor``: what a night will need, tried now."""

import typer

from include.cli.console import console, line, styled
from include.settings import Settings


def doctor() -> None:
    """Try what a night will need, in some seconds; sends one alert.

    The status is 1 if a night would fail, or nobody would hear of it.
    """
    from include.runtime.doctor.checks import doctor as examined
    from include.runtime.doctor.examination import Health

    marks = {Health.GOOD: ("✓", "green"), Health.ADVICE: ("!", "yellow"), Health.BAD: ("✗", "red")}
    bad = 0
    for finding in examined(Settings.from_environment()):
        bad += finding.sign is Health.BAD
        console.say(line(styled(*marks[finding.sign]), f" {finding.what}: {finding.text}"))
    if bad:
        console.print(f"{bad} to repair")
        raise typer.Exit(1)
