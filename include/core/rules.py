"""What declared values are held against."""

import re
from math import ceil, floor, isfinite, log10

from include.core.errors import DeclarationError

_WORD = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = f"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_WORD}"
_TAINT = f"{_KEY}(?:=(?:{_WORD})?)?(?::(?:NoSchedule|PreferNoSchedule|NoExecute))?"


def require(holds: bool, rule: str, value: object, remedy: str) -> None:
    if not holds:
        raise DeclarationError(rule, value=value, remedy=remedy)


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    return is_whole(value) or (isinstance(value, float) and isfinite(value))


def is_scalar(value: object) -> bool:
    return is_number(value) or isinstance(value, str | bool)


def rounded_up(limit: float, *, digits: int = 3) -> float:
    """*limit*, which is above 0, to so many digits and no lower: whoever writes it down has declared enough."""
    unit = 10.0 ** (floor(log10(limit)) - digits + 1)
    return float(f"{ceil(round(limit / unit, 9)) * unit:.12g}")


def is_label(key: object, value: object) -> bool:
    """Whether Kubernetes takes *value* as the value of the label *key*."""
    if not isinstance(key, str) or not isinstance(value, str):
        return False
    return re.fullmatch(_KEY, key) is not None and re.fullmatch(f"(?:{_WORD})?", value) is not None


def is_taint(text: object) -> bool:
    """Whether *text* is a taint of a node as ``kubectl taint`` writes it; value, effect or both may be left out."""
    return isinstance(text, str) and re.fullmatch(_TAINT, text) is not None
