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


def require_kind(place: str, value: object, kind: type) -> None:
    """Check that *value*, declared at *place* (``learning.window``), is one of *kind*."""
    name = place.rpartition(".")[2]
    remedy = f"Write {name}={kind.__name__}(...)."
    require(isinstance(value, kind), f"`{place}` is one {kind.__name__}", f"one {type(value).__name__}", remedy)


def require_kinds(place: str, values: object, kind: type) -> None:
    """Check that *values*, declared at *place*, are several of *kind*."""
    several = isinstance(values, tuple | list)
    found = [*values] if isinstance(values, tuple | list) else [values]
    odd = [f"one {type(each).__name__}" for each in found if not (several and isinstance(each, kind))]
    remedy = f"Write ({kind.__name__}(...),), with a comma behind a single one too."
    require(not odd, f"`{place}` is a tuple of {kind.__name__}", ", ".join(odd), remedy)


def require_yes_or_no(name: str, value: object) -> None:
    """Check that *value* is no text, say: "no" would count as yes."""
    require(isinstance(value, bool), f"`{name}` is True or False", repr(value), "Write one of them, without quotes.")


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
