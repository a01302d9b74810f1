"""The digest of rows, whatever their order and however a server divides them into files."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from include.core.canonical import encode

if TYPE_CHECKING:
    import pyarrow as pa

#: Part of each digest. Raise it when the same rows get another.
_FORMAT = 1


def in_order(table: "pa.Table", key: Sequence[str]) -> "pa.Table":
    """The rows of *table* in an order that they alone decide: by *key*, then by all other columns."""
    names = [name for name in key if name in table.column_names]
    names += sorted(set(table.column_names) - set(names))
    return table.sort_by([(name, "ascending") for name in names]).combine_chunks() if names else table


def rows_digest(table: "pa.Table") -> str:
    """The digest of *table*: names and types of its columns, and the values, of rows that are in order.

    The columns have types that contracts are read as. Null is apart from each value; the order of columns is not told.
    """
    import numpy as np

    names = sorted(table.column_names)
    kinds = [(name, str(table.schema.field(name).type)) for name in names]
    digest = hashlib.sha256(encode([_FORMAT, table.num_rows, kinds]))
    for name in names:
        column = table[name]
        nulls = column.is_null().to_numpy()
        digest.update(np.packbits(nulls).tobytes())
        for piece in _pieces(column):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _pieces(column: "pa.ChunkedArray") -> Iterator[bytes]:
    """The values of *column*, of texts their lengths first; what stands where there is none is the same always."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind):
        filled = pc.fill_null(column, "")
        yield pc.binary_length(filled).to_numpy().tobytes()
        for chunk in filled.chunks:
            yield _text(chunk)
        return
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if pa.types.is_date(kind) else pa.int64())
    yield pc.fill_null(column, 0).to_numpy().tobytes()


def _text(chunk: "pa.Array") -> bytes:
    import numpy as np

    _, offsets, data = chunk.buffers()
    if data is None or not len(chunk):
        return b""
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(data)[ends[chunk.offset] : ends[chunk.offset + len(chunk)]].tobytes()
