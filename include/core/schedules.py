"""Cron lines and the zones that they are in: which of them can be a schedule."""

import re
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from include.core.errors import DeclarationError

#: Years repeat after 400, the days of the week with them: what does not come from here on never comes.
_FROM = datetime(2000, 1, 1)  # noqa: DTZ001  # a cron line knows no zone
#: What a folder of zones holds beside IANA's names: it stands for what the machine says, or counts leap seconds.
_NO_ZONE = re.compile(r"localtime|posixrules|Factory|(?:posix|right)/.*")
_DRAWN = re.compile(r"(?:^|[\s,])[rh](?:[\s,(/]|$)", re.IGNORECASE)


@cache
def require_schedule(name: str, line: str) -> None:
    """Check that *line*, the value of *name*, is a cron line of five fields, or a preset such as ``@daily``.

    Raises:
        DeclarationError: it has other fields (a sixth would stand for seconds), fields that are drawn anew each time it
            is read, or names a date that never comes.
    """
    from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # it publishes no types

    fields = line.split() if isinstance(line, str) else []
    if (len(fields) != 5 and not (len(fields) == 1 and fields[0].startswith("@"))) or _DRAWN.search(line):
        raise _refused(name, f"{line!r}")
    try:
        croniter(line, _FROM).get_next(datetime)
    except CroniterError as error:
        raise _refused(name, f"{line!r} ({error})") from None


def require_timezone(name: str) -> None:
    """Check that *name* is one of the IANA time zone database, as this machine knows it.

    Raises:
        DeclarationError: it is none.
    """
    try:
        if not isinstance(name, str) or _NO_ZONE.fullmatch(name):
            raise ValueError(name)
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):  # the folder of a continent is an OSError
        raise DeclarationError(
            "`timezone` is the name of a zone of the IANA time zone database",
            value=f"{name!r}",
            remedy='Write "Europe/Berlin", say; capitals count. "UTC" has no summer time.',
        ) from None


def _refused(name: str, found: str) -> DeclarationError:
    return DeclarationError(
        f"`{name}` is a cron line of five fields whose date comes: minute, hour, day, month, weekday",
        value=found,
        remedy='Write "0 4 * * *" for every day at 04:00, say.',
    )
