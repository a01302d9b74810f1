"""The vectors of the passport's format: ``python -m tests.audit.vectors`` writes those that are missing.

A passport that is there is never overwritten: whoever verified one of an earlier release still does.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from include.audit.verifier import canonical, verify
from tests.audit.conftest import fixed_signer, made

FOLDER = Path(__file__).parent / "golden"


def _section(document: Any, name: str) -> int:
    return next(place for place, each in enumerate(document["sections"]) if each["id"] == name)


def _mutations(document: Any) -> list[tuple[str, list[Any], Any]]:
    """What is changed: in words, where, and to what."""
    identity, performance = _section(document, "identity"), _section(document, "performance")
    position, leaf = next((at, each) for at, each in document["leaves"].items() if "envelope" in each["raw"])
    trials = next(at for at, each in document["leaves"].items() if "trial_recorded" in each["raw"])
    manifest = next(iter(document["manifests"]))
    return [
        ("a figure", ["sections", performance, "tables", 0, "rows", 0, "cells", 0, "value"], 0.25),
        ("the model's digest", ["sections", identity, "claims", 4, "value"], "sha256:" + "0" * 64),
        ("the path of a figure", ["sections", identity, "claims", 0, "path", 1], "run_id"),
        ("a gap that is left out", ["sections", performance, "not_shown"], []),
        ("a title", ["sections", performance, "title"], "Perfection"),
        ("the bytes of an event", ["leaves", trials, "raw"], document["leaves"][trials]["raw"].replace("0.6", "0.1")),
        ("an envelope", ["leaves", position, "raw"], leaf["raw"].replace('"payload\\":\\"', '"payload\\":\\"A')),
        ("the proof of an event", ["leaves", trials, "proof", 0], "A" * 43 + "="),
        ("a manifest", ["manifests", manifest], document["manifests"][manifest].replace("1", "2", 1)),
        ("the root of the checkpoint", ["checkpoint"], _other_root(document["checkpoint"])),
        ("the authority's key", ["keys", "authority", 0], "0" * 64),
        ("training's key", ["keys", "training"], "0" * 64),
        ("an answer", ["questions", 0, "answered"], not document["questions"][0]["answered"]),
        ("the seal", ["seal"], document["seal"].replace('"sig":"', '"sig":"A')),
        ("the version", ["version"], 2),
    ]


def _other_root(checkpoint: str) -> str:
    lines = checkpoint.split("\n")
    lines[2] = "A" * 43 + "="
    return "\n".join(lines)


def _named(problems: list[str]) -> str:
    """The line that names the event, where one does."""
    return next((line for line in problems if line.startswith("ledger position")), problems[-1])


def main() -> None:
    """Write what is missing."""
    FOLDER.mkdir(exist_ok=True)
    golden = FOLDER / "passport-1.json"
    if not golden.exists():
        with tempfile.TemporaryDirectory() as folder:
            recorded = made(Path(folder), fixed_signer(1), fixed_signer(2))
            recorded.night()
            golden.write_bytes(recorded.passport(tree=recorded.tree()).data)
    document = json.loads(golden.read_bytes())
    written = []
    for what, path, value in _mutations(document):
        changed = json.loads(golden.read_bytes())
        place = changed
        for step in path[:-1]:
            place = place[step]
        assert place[path[-1]] != value, what
        place[path[-1]] = value
        report, _ = verify(canonical(changed))
        written.append({"what": what, "path": path, "value": value, "found": _named(report.problems)})
    (FOLDER / "mutations.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
