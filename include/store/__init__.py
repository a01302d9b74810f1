"""Content-addressed artifacts: bytes are named by their digest, written once, and verified when they are read.

A store is a local folder (``folder``) or an object store, through fsspec (``remote``; ``bucket`` for S3, with
conditions, checksums and addresses of limited life). The bytes of ``sha256:abcdef…`` lie at
``<root>/sha256/ab/cdef…``; whatever lies there under that name is complete. What was altered there is set aside, below
``<root>/altered``. What is under way lies below ``<root>/working``: replaced whole, and no artifact.
"""

from include.store.shelf import AlteredArtifact
from include.store.store import Store

__all__ = ["AlteredArtifact", "Store"]
