"""What declared values are held against."""

from math import ceil, floor, isfinite, log10

from include.core.errors import DeclarationError


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
