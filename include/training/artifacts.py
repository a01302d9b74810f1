"""What training is given: artifacts that somebody opened for it."""

from pathlib import Path
from typing import Protocol


class Artifacts(Protocol):
    """Artifacts that were opened under a grant (:class:`include.governance.vault.OpenedArtifacts`)."""

    def path(self, digest: str) -> Path: ...
