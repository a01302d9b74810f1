"""Declared projects, loaded by name, one at a time."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from traceback import extract_tb

from include.core.errors import DeclarationError, TrainyardError
from include.core.project import Project
from include.runtime.code.imports import guarded

_REMEDY = "Compare with include/projects/flight_delay, or start from `./trainyard new NAME`."


def project_names(folder: Path) -> tuple[str, ...]:
    """The names of the projects under *folder* (``include/projects``), sorted. Imports none of them."""
    return tuple(sorted(path.parent.name for path in folder.glob("[!_.]*/__init__.py")))


def load_project(name: str, folder: Path) -> Project:
    """The ``PROJECT`` that the package *folder*/*name* declares. No other project is imported.

    What cannot be loaded is imported anew by the next call, as somebody may have saved it by then.

    Raises:
        DeclarationError: there is no such folder, its package cannot be imported, imports from elsewhere
            (:mod:`include.runtime.code.imports`) or declares no ``PROJECT``, or the project is called differently from
            its folder.
    """
    if not _is_declared(name, folder):
        known = ", ".join(project_names(folder)) or "none yet"
        raise DeclarationError(
            "a project is a folder with an __init__.py",
            value=f"{folder / name}",
            remedy=f"There are: {known}. `./trainyard new NAME` makes another.",
        )
    module = f"{package_of(folder)}.{name}"
    try:
        return _declared(name, folder, module)
    except DeclarationError:
        _forget(module)
        raise


def load_anew(name: str, folder: Path) -> Project:
    """:func:`load_project` of the code as it lies there now, where an earlier state of it is loaded too."""
    _forget(f"{package_of(folder)}.{name}")
    return load_project(name, folder)


def _forget(module: str) -> None:
    for each in [each for each in sys.modules if f"{each}.".startswith(f"{module}.")]:
        del sys.modules[each]


def loadable(folder: Path) -> Iterator[Project]:
    """The projects under *folder* that can be loaded; what is wrong with another its DAG says."""
    for name in project_names(folder):
        with suppress(TrainyardError):
            yield load_project(name, folder)


def _declared(name: str, folder: Path, module: str) -> Project:
    try:
        with guarded(module, folder / name):
            declared = getattr(importlib.import_module(module), "PROJECT", None)
    except DeclarationError:
        raise
    except Exception as error:  # a project is a team's own code: whatever it raises, it cannot be used as written
        raise DeclarationError(
            f"project {name!r} can be imported",
            value=f"{type(error).__name__}: {error}{_place(error, (folder / name).resolve())}",
            remedy=_REMEDY,
        ) from error
    if not isinstance(declared, Project):
        raise DeclarationError(
            f"{folder / name / '__init__.py'} declares PROJECT", value=type(declared).__name__, remedy=_REMEDY
        )
    if declared.name != name:
        raise DeclarationError(
            "a project is called like its folder", value=f"{declared.name!r} in {folder / name}", remedy="Rename one."
        )
    return declared


def _place(error: Exception, folder: Path) -> str:
    """The newest line of the project's own that *error* went through, in words; of none, nothing."""
    lines = [each for each in extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(folder)]
    return f" (line {lines[-1].lineno} of {Path(lines[-1].filename).relative_to(folder)})" if lines else ""


def _is_declared(name: str, folder: Path) -> bool:
    """Whether *name* is one of :func:`project_names`, without a look at the others: all of them are loaded in turn."""
    single = Path(name).name == name and name[:1] not in ("", "_", ".")
    return single and (folder / name / "__init__.py").exists()


def package_of(folder: Path) -> str:
    """The dotted name under which *folder* is imported: `include.projects` in the house."""
    folder = folder.resolve()
    top = folder
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    root = str(top.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    return ".".join(folder.relative_to(top.parent).parts)
