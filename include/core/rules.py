"""What declared values are held against."""

from math import isfinite

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
