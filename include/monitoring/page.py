"""An HTML page in a store, in compressed pieces: what all pages of a kind have in common lies there once.

Of the 4 MB of an Evidently report all but some kilobytes are its scripts and fonts, the same for a version of it.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from include.core.canonical import decode, encode
from include.store import Store

#: What a script or a style holds is a piece of its own if it has this many bytes.
PIECE_BYTES = 64 * 1024
_HOLDS = re.compile(rb"<(script|style)\b[^>]*>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The digests of the pieces, each compressed (zlib), that one after the other are the page."""

    pieces: tuple[str, ...]


def keep(store: Store, html: bytes) -> str:
    """Keep the page; the digest by which :func:`load` gives back the same bytes."""
    return store.put(encode(Page(pieces=tuple(store.put(zlib.compress(piece)) for piece in _pieces(html)))))


def load(store: Store, digest: str) -> bytes:
    """The page that :func:`keep` kept, whole.

    Raises:
        StoreError: it, or a piece of it, is missing or altered.
    """
    return b"".join(zlib.decompress(store.get(piece)) for piece in decode(Page, store.get(digest)).pieces)


def _pieces(html: bytes) -> Iterator[bytes]:
    begin = 0
    for found in _HOLDS.finditer(html):
        first, last = found.span(2)
        if last - first >= PIECE_BYTES:
            yield html[begin:first]
            yield html[first:last]
            begin = last
    yield html[begin:]
