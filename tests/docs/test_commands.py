"""What README and docs tell a reader to type works, in the order in which they tell it."""

import re

import pytest

from include.settings import ROOT
from tests.docs.conftest import Clone

#: In the order in which one reader would follow them: each goes on where the one before it ends.
DOCUMENTS = ("your-own-data.md", "data-scientist.md", "ops.md", "auditor.md", "steward.md")

_BLOCK = re.compile(
    r"^(?P<skipped><!-- not run: [^\n]+ -->\n)?```bash\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks(document: str) -> list[str]:
    """The blocks of commands of *document*, without those that say why they are not run."""
    found = _BLOCK.finditer((ROOT / "docs" / document).read_text())
    return [block["commands"] for block in found if not block["skipped"]]


def test_every_page_with_commands_is_followed() -> None:
    assert {path.name for path in (ROOT / "docs").glob("*.md") if blocks(path.name)} == set(DOCUMENTS)
    assert not blocks("../README.md")


@pytest.mark.night
@pytest.mark.long
@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_of_a_document_work(clone: Clone, document: str) -> None:
    for commands in blocks(document):
        done = clone.bash(commands)
        assert done.returncode == 0, f"{document}:\n{commands}\nended with {done.returncode}:\n{done.stdout[-4000:]}"
        assert "Traceback" not in done.stdout, f"{document}:\n{commands}\n{done.stdout[-4000:]}"
