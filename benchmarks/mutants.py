"""The mutants of one module, as JSON. `benchmarks/mutation.py` runs this under an interpreter that has mutmut.

    python benchmarks/mutants.py MODULE

Each is the module with one small change by mutmut's operators: a comparison, an operator, a number, a boolean, an
assignment, an argument. Left out are texts (each message has tests of its own), and the ``None`` that replaces an
argument where another mutant drops that argument.
"""

import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
from mutmut.mutation.file_mutation import create_mutations


def main() -> None:
    path = Path(sys.argv[1])
    json.dump(list(mutants(path.name, path.read_text())), sys.stdout)


def mutants(name: str, text: str) -> Iterator[dict[str, Any]]:
    module, mutations, *_ = create_mutations(name, text)
    seen = {text}
    for mutation in mutations:
        before, after = mutation.original_node, mutation.mutated_node
        if isinstance(before, cst.BaseString) or drops_the_same(before, after):
            continue
        changed = module.deep_replace(before, after).code
        if changed not in seen:
            seen.add(changed)
            yield {"text": changed, **difference(text, changed)}


def drops_the_same(before: cst.CSTNode, after: cst.CSTNode) -> bool:
    """Whether *after* is a call of several arguments, as many as before: one of them became ``None``."""
    if not isinstance(before, cst.Call) or not isinstance(after, cst.Call) or len(before.args) < 2:
        return False
    return len(before.args) == len(after.args) and before.func is after.func


def difference(text: str, changed: str) -> dict[str, Any]:
    """The number of the first line that differs, and the lines that do, before and after, without indentation."""
    old, new = text.splitlines(), changed.splitlines()
    blocks = [
        each for each in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if each[0] != "equal"
    ]
    first, last = blocks[0], blocks[-1]
    return {
        "line": first[1] + 1,
        "before": " ".join(line.strip() for line in old[first[1] : last[2]]),
        "after": " ".join(line.strip() for line in new[first[3] : last[4]]),
    }


if __name__ == "__main__":
    main()
