"""Projects as 0.1 declared them, without groups: taken until 0.2, with a warning that says what to write instead."""

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from include.core.errors import DeclarationError

Kind = TypeVar("Kind", bound=type)

#: By group, the fields that stood in the project itself.
_FLAT = {
    "ownership": ("owner", "purpose"),
    "learning": ("target", "features", "window", "search"),
    "quality": ("gates", "drift", "expectations"),
}
#: What could be read of a project, by the group where it stands now.
_READ_OF = {"lookback_days": "learning", **{name: group for group, names in _FLAT.items() for name in names}}


class FlatDeclaration(FutureWarning):
    """A project is declared, varied or read without its groups. Shown by default, in Airflow's logs of parsing too."""


def takes_flat_fields(kinds: Mapping[str, type[Any]]) -> Callable[[Kind], Kind]:
    """Have a class of projects, whose groups are *kinds*, take and give the fields of 0.1 as its own.

    The class then raises DeclarationError where it is given a field that there is not, or one of 0.1 beside a group.
    """

    def taking(project: Any) -> Any:
        made = project.__init__

        @wraps(made)
        def taken(self: object, **given: Any) -> None:
            by_replace = sys._getframe(1).f_globals.get("__name__") == "dataclasses"
            made(self, **_grouped(given, kinds, by_replace=by_replace))

        project.__init__ = taken
        project.__getattr__ = _read
        return project

    return taking


def _grouped(given: Mapping[str, Any], kinds: Mapping[str, type[Any]], *, by_replace: bool) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if name in ("name", *kinds)}
    parts = {group: {name: given[name] for name in names if name in given} for group, names in _FLAT.items()}
    flat = [name for part in parts.values() for name in part]
    if unknown := sorted(given.keys() - kept.keys() - {*flat}):
        raise DeclarationError(
            f"a project has the fields name, {', '.join(kinds)}",
            value=", ".join(unknown),
            remedy="Correct the name, or write the field into the group that has it (docs/data-scientist.md).",
        )
    if not flat:
        return kept
    if by_replace:  # gives all groups, beside what it changes
        _warn("varies a project without its groups", f"PROJECT.varied({_assigned(flat)}) and what else changes there")
        return kept | {group: replace(kept[group], **part) for group, part in parts.items()}
    groups = [f"{group}={kinds[group].__name__}({_assigned(part)})" for group, part in parts.items() if part]
    if mixed := sorted(kept.keys() & _FLAT.keys()):
        raise DeclarationError(
            "a project is declared by its groups",
            value=f"{', '.join(flat)} beside {', '.join(mixed)}",
            remedy=f"Write {', '.join(groups)}.",
        )
    whole = ["name=...", *groups, *(f"{name}=..." for name in kept if name != "name")]
    _warn(f"declares {given.get('name')!r} without groups", f"Project({', '.join(whole)})")
    return kept | {group: kinds[group](**part) for group, part in parts.items()}


def _read(project: object, name: str) -> Any:
    """What :data:`_READ_OF` names, of its group; asked only for what a project does not have itself."""
    if name not in _READ_OF:
        raise AttributeError(f"{type(project).__name__!r} object has no attribute {name!r}", name=name, obj=project)
    _warn(f"reads `{name}` of a project without its group", f"PROJECT.{_READ_OF[name]}.{name}")
    return getattr(getattr(project, _READ_OF[name]), name)


def _assigned(names: Iterable[str]) -> str:
    return ", ".join(f"{name}=..." for name in names)


def _warn(what: str, instead: str) -> None:
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__") in (__name__, "dataclasses"):
        level, frame = level + 1, frame.f_back
    text = f"this {what}, which release 0.2 will refuse. Write {instead}; include.core.project has the groups."
    warnings.warn(text, FlatDeclaration, stacklevel=level)
