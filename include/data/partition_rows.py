"""A day's rows as a partition keeps them: as known at an instant, treated, sorted by key, in fixed bytes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import Contract, KnownAt, Treatment

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.pseudonyms import Pseudonyms

#: So many distinct values are remembered at most: each takes some hundred bytes.
_MOST_KNOWN = 1_000_000


class Tokens:
    """Tokens of one purpose, each distinct value's computed once in a snapshot, however many days it appears on."""

    def __init__(self, pseudonyms: "Pseudonyms", purpose: str) -> None:
        self._pseudonyms, self._purpose = pseudonyms, purpose
        self._known: dict[pa.DataType, dict[object, str]] = {}  # by type, since 1 == 1.0 but their texts differ

    @property
    def key_id(self) -> tuple[str, str]:
        """Names the key and the purpose."""
        return self._pseudonyms.key_id, self._purpose

    def of(self, values: "pa.ChunkedArray") -> "pa.Array":
        """The tokens of *values*, as strings; null stays null."""
        import pyarrow as pa

        known = self._known.setdefault(values.type, {})
        encoded = values.combine_chunks().dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        unseen = [value for value in distinct if value not in known]
        if unseen:
            tokens = self._pseudonyms.tokens(pa.array(unseen, values.type), purpose=self._purpose)
            known.update(zip(unseen, tokens.to_pylist(), strict=True))
        found = pa.array([known[value] for value in distinct], pa.string()).take(encoded.indices)
        if len(known) > _MOST_KNOWN:
            known.clear()
        return found

    def treated(self, table: "pa.Table", columns: Sequence[tuple[str, Treatment]]) -> "pa.Table":
        """*table*, which has *columns* in their order, with tokens in the place of what is treated so."""
        for index, (name, treatment) in enumerate(columns):
            if treatment is Treatment.TOKEN:
                table = table.set_column(index, name, self.of(table[name]))
        return table


def known_at(table: "pa.Table", contract: Contract, instant: datetime) -> tuple["pa.Table", bool]:
    """*table* as it was known at *instant*, and whether that is all that will ever be known.

    A value whose time is after the instant is null; a row whose key or partition column is, is absent. A value whose
    time is null is never known.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = pa.scalar(instant.astimezone(UTC).replace(tzinfo=None), pa.timestamp("us"))
    rules = {column.name: column.known_at for column in contract.columns if column.name in table.column_names}
    known: dict[KnownAt, pa.ChunkedArray] = {}
    complete = True
    for rule in set(rules.values()):
        if rule.column is not None:
            times = pc.add(table[rule.column], pa.scalar(rule.offset, pa.duration("us")))
            reached = pc.less_equal(times, moment)
            past = pc.all(reached, min_count=0).as_py()
            complete = complete and past
            if not past or reached.null_count:  # else all of it is known: so most days of a window are
                known[rule] = pc.fill_null(reached, False)
    for index, name in enumerate(table.column_names):
        if rules[name] in known:
            nothing = pa.scalar(None, table.schema.field(index).type)
            table = table.set_column(index, name, pc.if_else(known[rules[name]], table[name], nothing))
    for rule in {rules[name] for name in (*contract.key, contract.partition_column) if name in rules}:
        if rule in known:
            table = table.filter(known[rule])
            known = {other: mask.filter(known[rule]) for other, mask in known.items()}
    return table, complete


def sorted_by_key(table: "pa.Table", contract: Contract, day: date | None) -> "pa.Table":
    """*table* sorted by its contract's key.

    Raises:
        DataError: a key stands there twice, or without a value; the message counts them.
    """
    import pyarrow.compute as pc

    key = list(contract.key)
    nulls = sum(table[name].null_count for name in key)
    table = table.sort_by([(name, "ascending") for name in key]).combine_chunks()
    repeated = None
    for name in key if len(table) > 1 else ():
        same = pc.equal(table[name][1:], table[name][:-1])
        repeated = same if repeated is None else pc.and_(repeated, same)
    duplicates = 0 if repeated is None else pc.sum(repeated).as_py() or 0
    if nulls or duplicates:
        raise DataError(
            f"{contract.dataset}{f' of {day}' if day else ''}: every row has its own key {key}",
            value=f"{duplicates} repeated keys and {nulls} nulls in {len(table)} rows",
            remedy="Have the rows corrected at the source; the day is read again.",
        )
    return table


def parquet_bytes(table: "pa.Table") -> bytes:
    """*table* as Parquet: the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # snappy: half the time of zstd for a third more bytes; without the Arrow schema, which types here do not need.
    pq.write_table(table, sink, compression="snappy", store_schema=False, write_page_checksum=True)
    data: bytes = sink.getvalue().to_pybytes()
    return data
