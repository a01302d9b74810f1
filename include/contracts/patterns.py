"""How the folders of days are called: ``day=YYYY-MM-DD``, or as a contract's location declares it.

``s3://lake/sales/{yyyy}/{mm}/{dd}`` has the rows of 4 July 2013 (UTC) in ``s3://lake/sales/2013/07/04``. A placeholder
has as many digits as it has letters, so that no two days share a folder, and no folder is that of two days.
"""

import fnmatch
import glob
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from include.core.errors import ContractError

_DIGITS = {"yyyy": 4, "mm": 2, "dd": 2}
_PLACEHOLDER = re.compile(r"\{(yyyy|mm|dd)\}")
#: What a location may begin with that is no placeholder.
_VARIABLE = re.compile(r"\$\{\w+\}")


@dataclass(frozen=True)
class DayPattern:
    """The names of the folders that lead to a day's, the day's last: ``("{yyyy}", "{mm}", "{dd}")``."""

    levels: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.levels)

    @property
    def shown(self) -> str:
        """As errors show it: ``day=YYYY-MM-DD``."""
        return _PLACEHOLDER.sub(lambda found: found[1].upper(), str(self))

    def folder(self, day: date) -> str:
        digits = {"yyyy": f"{day.year:04}", "mm": f"{day.month:02}", "dd": f"{day.day:02}"}
        return _PLACEHOLDER.sub(lambda found: digits[found[1]], str(self))

    def day(self, folder: str) -> date | None:
        """The day whose folder that is; ``None``: no day's, as ``2013/02/30`` is not."""
        found = self._expression.fullmatch(folder)
        try:
            return date(*(int(found[name]) for name in _DIGITS)) if found else None
        except ValueError:
            return None

    @cached_property
    def globs(self) -> tuple[str, ...]:
        """By level what matches the names of folders there, a digit for a digit."""
        return tuple(_each(level, glob.escape, lambda name: "[0-9]" * _DIGITS[name]) for level in self.levels)

    def may_hold(self, level: int, folder: str) -> bool:
        """Whether *folder*, of that many levels and one, may lead to a day's."""
        return fnmatch.fnmatchcase(folder, "/".join(self.globs[: level + 1]))

    def begins(self, level: int) -> str:
        """What all names of that level begin with."""
        return self.levels[level].partition("{")[0]

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        seen: list[str] = []

        def placed(name: str) -> str:
            seen.append(name)
            return f"(?P={name})" if name in seen[:-1] else rf"(?P<{name}>[0-9]{{{_DIGITS[name]}}})"

        return re.compile(_each(str(self), re.escape, placed))


#: Where a location declares none.
BY_DAY = DayPattern(("day={yyyy}-{mm}-{dd}",))


def root_of(location: str) -> str:
    """What of *location* is the same for all days: the folder or address below which they lie."""
    return _parted(location)[0]


def pattern_of(location: str) -> DayPattern:
    """How the folders of days below :func:`root_of` are called."""
    levels = _parted(location)[1]
    return DayPattern(levels) if levels else BY_DAY


def has_pattern(location: str) -> bool:
    return bool(_parted(location)[1])


def require_pattern(location: str) -> None:
    """Raise ContractError where a pattern in *location* would not say of each folder which day's it is."""
    root, levels = _parted(location)
    if not levels:
        return
    pattern = "/".join(levels)
    missing = [f"{{{name}}}" for name in _DIGITS if f"{{{name}}}" not in pattern]
    left = _PLACEHOLDER.sub("", pattern)
    fault = ""
    if not root or root.endswith("/"):
        fault = f"no folder above {pattern}"
    elif missing:
        fault = f"{pattern} has no {', '.join(missing)}"
    elif set(left) & set("{}*?[]%"):
        fault = f"{pattern} has other placeholders"
    elif any(level in ("", ".", "..") or level.startswith((".", "_")) for level in levels):
        fault = f"{pattern} names a folder that no reader takes for data"
    elif pattern.lower().endswith(".parquet"):
        fault = f"{pattern} names a file"
    if fault:
        raise ContractError(
            "a pattern of folders says the year, the month and the day of each, below a folder that is named in full",
            value=fault,
            remedy="Write {yyyy}, {mm} and {dd}, as in s3://lake/sales/{yyyy}/{mm}/{dd}, and nothing else in braces.",
        )


def _parted(location: str) -> tuple[str, tuple[str, ...]]:
    start = found.end() if (found := _VARIABLE.match(location)) else 0
    brace = location.find("{", start)
    if brace < 0:
        return location, ()
    cut = location.rfind("/", 0, brace)
    return location[: max(cut, 0)], tuple(location[cut + 1 :].rstrip("/").split("/"))


def _each(text: str, literal: Callable[[str], str], placed: Callable[[str], str]) -> str:
    """*text* with *literal* of what is no placeholder, and *placed* of the names of those."""
    parts = _PLACEHOLDER.split(text)
    return "".join(placed(part) if place % 2 else literal(part) for place, part in enumerate(parts))
