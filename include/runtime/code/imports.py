"""Where a project's code may come from: ``include.core``, its own folder and installed packages, and nothing else.

So the digest of its folder, which a steward is shown, covers all of it. It finds what statements import, and what else
is loaded with them; a project that is set on hiding what it runs is found by who reads its code.
"""

import ast
import importlib.util
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from include.core.errors import DeclarationError

_CORE = "include.core"
#: What imports by name, or from what a program makes up: no statement says what.
_BY_NAME = frozenset({"importlib", "imp", "runpy", "pkgutil", "zipimport", "site", "builtins"})
_READS_FILES = frozenset({"importlib.resources", "importlib.metadata"})
_CALLS = frozenset({"__import__", "exec", "eval", "compile"})
_OF_SYS = frozenset({"path", "modules", "meta_path", "path_hooks"})
_MAY_IMPORT = _CALLS | {"importlib", "sys"}


def _check(tree: ast.Module, code: CodeType, *, module: str, package: str, is_package: bool) -> None:
    """Whether all that the statements of *module*, of the project *package*, import may be imported.

    Raises:
        DeclarationError: a module comes from elsewhere, or is imported by other means than a statement.
    """
    within = module if is_package else module.rpartition(".")[0]
    for node in _statements(tree):
        for each in _imported(node, within):
            place = None if f"{each}.".startswith(f"{package}.") else _by_name(each) or _elsewhere(each)
            if place:
                raise _refused(f"{code.co_filename}:{node.lineno}: {place}")
    if not _MAY_IMPORT.isdisjoint(_names(code)):  # only then, since there are many more expressions than statements
        for expression in ast.walk(tree):
            if isinstance(expression, ast.Name | ast.Attribute) and (found := _calls_by_name(expression)):
                raise _refused(f"{code.co_filename}:{expression.lineno}: {found}")


def _statements(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """All statements of *tree* that import, wherever they stand."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, block, ())
            pending += inner if isinstance(inner, list) else ()  # a condition's are expressions


def _names(code: CodeType) -> frozenset[str]:
    """The names that *code* and all code within it reads: of variables and attributes."""
    found, pending = set[str](), [code]
    while pending:
        part = pending.pop()
        found.update(part.co_names)
        pending += [each for each in part.co_consts if isinstance(each, CodeType)]
    return frozenset(found)


def _imported(node: ast.Import | ast.ImportFrom, within: str) -> list[str]:
    """The modules that *node*, of a module of the package *within*, may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        above = within.split(".")
        base = ".".join([*above[: max(len(above) - node.level + 1, 0)], *([node.module] if node.module else [])])
    # `from package import name` imports the module of that name, if there is one.
    return [f"{base}.{alias.name}" for alias in node.names]


def _by_name(module: str) -> str | None:
    """What *module* may import without a statement that says what."""
    top = module.split(".")[0]
    if top in _BY_NAME and not any(f"{module}.".startswith(f"{each}.") for each in _READS_FILES):
        return f"module {top!r}"
    return module if module in {f"sys.{name}" for name in _OF_SYS} else None


def _calls_by_name(node: ast.Name | ast.Attribute) -> str | None:
    if isinstance(node, ast.Name):
        return f"{node.id}()" if node.id in _CALLS else None
    named = f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else ""
    by_name = named.startswith("importlib.") and named not in _READS_FILES
    return named if by_name or (named.startswith("sys.") and node.attr in _OF_SYS) else None


def _elsewhere(module: str) -> str | None:
    """Where *module* comes from, if a project may not import it; what cannot be found fails when it is imported."""
    top = module.split(".")[0]
    if not top:
        return "a module above the project's folder"
    try:
        return _found_elsewhere(module, None if top == "include" else importlib.util.find_spec(top))
    except (ImportError, ValueError):
        return f"module {module!r}"


def _found_elsewhere(module: str, spec: ModuleSpec | None) -> str | None:
    if module == _CORE or module.startswith(f"{_CORE}."):
        return None
    if module.split(".")[0] == "include":
        return f"module {module!r}, of the platform or of another project"
    return None if spec is None or _installed(spec) else f"module {module!r} of {_place(spec)}"


def _place(spec: ModuleSpec) -> str:
    return spec.origin or ", ".join(spec.submodule_search_locations or ()) or "nowhere"


def _installed(spec: ModuleSpec) -> bool:
    """Whether *spec* is of Python itself or of an installed package."""
    if spec.origin in ("built-in", "frozen"):
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return all(map(_is_installed, places))


@cache
def _is_installed(place: str) -> bool:
    path = Path(place).resolve()
    return any(path.is_relative_to(root) for root in _installed_packages())


@cache  # where Python and its packages lie is asked once: it takes longer than to check a project
def _installed_packages() -> frozenset[Path]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return frozenset(Path(path).resolve() for path in {*paths, *site.getsitepackages(), site.getusersitepackages()})


class _ProjectLoader(SourceFileLoader):
    """Runs a module's source as it lies there, once it is checked; never what Python kept compiled of it."""

    package: str

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        _check(tree, code, module=fullname, package=self.package, is_package=self.is_package(fullname))
        return code


class _Projects(MetaPathFinder):
    """Finds the modules of projects, from then on; and, in a thread that loads one, refuses those from elsewhere."""

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}  # the real folder of each project, by its package
        self.loading = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = next((each for each in self.folders if f"{fullname}.".startswith(f"{each}.")), None)
        refused: list[DeclarationError] | None = getattr(self.loading, "refused", None)
        spec = PathFinder.find_spec(fullname, path, target) if package or refused is not None else None
        if spec is None or any(each.startswith(f"{fullname}.") for each in self.folders):
            return None  # Python itself finds it, or the package that projects lie in
        if package is None:
            found = _found_elsewhere(fullname, spec)
        else:
            outside = not Path(spec.origin or "").resolve().is_relative_to(self.folders[package])
            found = f"module {fullname!r}, a link to {_place(spec)}" if spec.origin and outside else None
        if found:
            error = _refused(found)
            if refused is not None:
                refused.append(error)
            raise error
        if package is None:
            return None
        if isinstance(spec.loader, SourceFileLoader):
            spec.loader = _ProjectLoader(fullname, spec.loader.path)
            spec.loader.package = package
        return spec


_PROJECTS = _Projects()


@contextmanager
def guarded(package: str, folder: Path) -> Iterator[None]:
    """Within it, this thread imports *package*, the project in *folder*, from its sources and nothing from elsewhere.

    What its functions import later from its own folder is checked likewise.

    Raises:
        DeclarationError: a module comes from elsewhere, or a file imports by other means than a statement; the message
            names file, line and module.
    """
    if _PROJECTS not in sys.meta_path:
        sys.meta_path.insert(0, _PROJECTS)
    _PROJECTS.folders[package] = folder.resolve()
    refused: list[DeclarationError] = []
    _PROJECTS.loading.refused = refused
    try:
        yield
    finally:
        _PROJECTS.loading.refused = None
        if refused:  # and was caught, perhaps
            raise refused[0]


def _refused(found: str) -> DeclarationError:
    return DeclarationError(
        f"a project imports {_CORE}, modules of its own folder and installed packages, by import statements",
        value=found,
        remedy="Put the module into the project's folder, or install it as a package (not editable): the steward is "
        "shown the folder, and its digest stands for all that runs.",
    )
