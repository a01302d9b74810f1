"""Partitions are encoded and kept while the next are made, and none is lost on the way."""

import time
from functools import partial
from typing import cast

import pytest

from include.core.canonical import digest_of
from include.core.records import Partition
from include.data import writer as module
from include.data.writer import WRITERS, Writer
from include.governance.vault import Vault

MANY = [b"partition %d" % number for number in range(5 * WRITERS)]


class Shelf:
    """A vault that keeps in memory, and has room for so many."""

    def __init__(self, room: int) -> None:
        self.held: dict[str, bytes] = {}
        self._room = room

    def put(self, data: bytes) -> str:
        if len(self.held) == self._room:
            raise OSError("disk full")
        digest = digest_of(data)
        self.held[digest] = data
        return digest


def keep(shelf: Shelf, parts: list[bytes | Exception], *, then: Exception | None = None) -> list[Partition]:
    """What is told of *parts*, in their order; an exception among them is raised where it is encoded."""

    def encoded(part: bytes | Exception) -> bytes:
        if isinstance(part, Exception):
            raise part
        return part

    with Writer(cast("Vault", shelf)) as writer:
        kept = [
            writer.put(partial(encoded, part), table="t", day=None, inputs=str(number), rows=number, complete=True)
            for number, part in enumerate(parts)
        ]
        if then is not None:
            raise then
    return [each() for each in kept]


def test_all_that_is_put_is_kept_when_the_context_ends_and_told_in_the_order_of_the_puts() -> None:
    shelf = Shelf(len(MANY))
    kept = [(part.content, part.size_bytes, part.rows) for part in keep(shelf, [*MANY])]
    assert kept == [(digest_of(data), len(data), number) for number, data in enumerate(MANY)]
    assert sorted(shelf.held.values()) == sorted(MANY)


def test_what_cannot_be_kept_raises() -> None:
    with pytest.raises(OSError, match="disk full"):
        keep(Shelf(len(MANY) - 1), [*MANY])


def test_what_cannot_be_encoded_raises_and_an_error_of_the_maker_goes_first() -> None:
    broken = ValueError("no bytes")
    with pytest.raises(ValueError, match="no bytes"):
        keep(Shelf(1), [broken])
    with pytest.raises(KeyError, match="maker"):
        keep(Shelf(1), [broken], then=KeyError("maker"))


def slowly(data: bytes) -> bytes:
    time.sleep(0.003)
    return data


def test_no_more_rows_wait_than_may_but_for_one_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 100)
    shelf = Shelf(2 * len(MANY))
    with Writer(cast("Vault", shelf)) as writer:
        for number, data in enumerate(MANY):
            put = partial(writer.put, partial(slowly, data), table="t", day=None, inputs=str(number), rows=1)
            put(complete=True, held_bytes=60)
            assert len(shelf.held) >= number, "the one before is kept: two of them would be too many"
        writer.put(partial(bytes, b"large"), table="t", day=None, inputs="", rows=1, complete=True, held_bytes=1000)
    assert len(shelf.held) == len(MANY) + 1
