"""At which commit a project's folder stands, where it lies in a git checkout."""

import shutil
import subprocess
from pathlib import Path

from include.registry.nights import Commit

_TIMEOUT_SECONDS = 10


def commit_of(folder: Path) -> Commit | None:
    """The commit that *folder* stands at; ``None``: it lies in no checkout, or no git is there to say."""
    git = shutil.which("git")
    if git is None:
        return None
    words = [git, "--no-optional-locks", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--", "."]
    try:
        answered = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True)  # noqa: S603  # no word is a stranger's
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answered.stdout.splitlines()
    known = [line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")]
    if not known or known[0] == "(initial)":
        return None
    return Commit(digest=known[0], changed=any(not line.startswith("#") for line in lines))
