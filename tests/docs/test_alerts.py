"""The page for ops names every alert that the code can send, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from include.settings import ROOT

_SENDERS = ("send", "deliver", "undelivered")


def sent() -> list[str]:
    """The title of each alert, as a pattern: of what is filled in, anything may stand there."""
    found: list[str] = []
    for path in sorted((ROOT / "include").rglob("*.py")):
        if "alerts" not in (text := path.read_text()):
            continue
        module = ast.parse(text)
        senders = {f"alerts.{name}" for name in _SENDERS} | _of_its_own(module, path)
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name in senders and not _passes_on(call):
                found += _titles(call.args[1], module)
            elif name == "partial" and ast.unparse(call.args[0]) in senders:
                found += _handed_on(module)
    return found


def _of_its_own(module: ast.Module, path: Path) -> set[str]:
    """The senders that *module* defines, or imports by their own names."""
    if path.name == "alerts.py":
        return {*_SENDERS}
    imports = (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom))
    names = {each.name for node in imports if str(node.module).endswith(".alerts") for each in node.names}
    return names & {*_SENDERS}


def _passes_on(call: ast.Call) -> bool:
    """Whether one sender calls another with the title that it was given."""
    return ast.unparse(call.args[1]) == "title"


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _titles(title: ast.expr, module: ast.Module) -> Iterator[str]:
    if isinstance(title, ast.Starred) and isinstance(title.value, ast.Call):
        name = _name(title.value)
        function = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name)
        returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        for each in returned:
            assert isinstance(each, ast.Tuple)
            yield from _titles(each.elts[0], module)
        return
    yield _pattern(title)


def _pattern(title: ast.expr) -> str:
    if isinstance(title, ast.Constant):
        return re.escape(str(title.value))
    assert isinstance(title, ast.JoinedStr), f"an alert's title is written where it is sent: {ast.unparse(title)}"
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in title.values)


def _handed_on(module: ast.Module) -> Iterator[str]:
    """Of what is handed a sender as its `send`: the titles that it calls that with."""
    for function in (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom)):
        path = ROOT / f"{str(function.module).replace('.', '/')}.py"
        names = {each.name for each in function.names}
        for defined in ast.parse(path.read_text()).body if path.is_file() else ():
            if isinstance(defined, ast.FunctionDef) and defined.name in names:
                calls = [node for node in ast.walk(defined) if isinstance(node, ast.Call) and _name(node) == "send"]
                yield from (_pattern(call.args[0]) for call in calls if isinstance(call.args[0], ast.JoinedStr))


def named() -> list[str]:
    section = (ROOT / "docs" / "ops.md").read_text().split("## What each alert asks for")[1].split("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    assert all(len(row) == 4 and row[2].strip() for row in rows)
    return [title for row in rows for title in re.findall(r"`([^`]+)`", row[1])]


def test_the_page_for_ops_says_of_every_alert_that_can_be_sent_what_to_do_and_names_no_other() -> None:
    patterns, titles = sent(), named()
    assert len(patterns) > 10
    kinds = {
        title: max((each for each in patterns if re.fullmatch(each, title)), key=len, default=None) for title in titles
    }
    assert [title for title, kind in kinds.items() if kind is None] == []
    assert set(patterns) - {*kinds.values()} == set()
