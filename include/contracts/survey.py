"""What is seen of rows before anybody has said what they mean: counts, rounded ranges, and a minimal key.

Nothing of it is a value of the data: of text no more than counts, and ranges as profiles may show them.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.contracts.proposals import in_key, proposal
from include.contracts.rows import FileRows
from include.core.records import ColumnType, PersonalKind

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: A range leaves out this many rows at each end, since no profile shows extremes or groups of fewer.
SMALLEST_GROUP = 20
#: A column that has this many distinct values for each row that has one is taken for an identifier.
_NEARLY_UNIQUE = 0.9

#: A key of this many columns is not searched for a shorter one.
_FEW = 2

_MEASURED = (ColumnType.NUMBER, ColumnType.BOOLEAN)
_TIMES = (ColumnType.TIMESTAMP, ColumnType.DATE)
_NAMED_AS_KEY = re.compile(r"(?<![a-z])(id|uuid|guid|key|code|number|nr|no)(?![a-z])")


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """What is seen of a column: ``rows`` in all, ``nulls`` of them without a value, ``distinct`` values of the others.

    ``span`` is its rounded range, without :data:`SMALLEST_GROUP` rows at each end; ``None`` where it has none, or would
    say where identifiers lie. ``personal`` is the proposed kind of personal field.
    """

    name: str
    type: ColumnType
    rows: int
    nulls: int
    distinct: int
    span: str | None = None
    personal: PersonalKind | None = None

    @property
    def identifies(self) -> bool:
        """Whether its values are (nearly) one for each row: whole numbers or texts, of which nothing can be learnt."""
        valued = self.rows - self.nulls
        nearly = valued > 1 and self.distinct >= _NEARLY_UNIQUE * valued
        if self.type is ColumnType.STRING:
            return nearly
        return self.type is ColumnType.INTEGER and nearly and (self.distinct == valued or named_as_key(self.name))


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The columns in the order of the files, and the proposed ``key``.

    No column of it can be spared; with ``unique`` false nothing identifies a row, and all are named that might.
    """

    columns: tuple[ColumnFacts, ...]
    key: tuple[str, ...]
    unique: bool


def survey(rows: FileRows, *, partition: str | None = None, no_key: Collection[str] = ()) -> Survey:
    """What is seen of *rows*, in at most three passes over their files.

    Numbers, true/false, columns with nulls and *no_key* are no candidates for a key. Names that people give to keys,
    and texts, are preferred to whole numbers, and those to times, but for *partition*.
    """
    import numpy as np

    seen, together = [], np.zeros(len(rows), np.uint64)
    for name, values in rows.columns(list(rows.types)):
        facts, hashes = _seen(name, rows.types[name], values)
        seen.append(facts)
        if _may_be_key(facts, no_key):
            together += hashes
    candidates = [facts for facts in seen if _may_be_key(facts, no_key)]
    key, unique = _key(rows, candidates, together, partition)
    if not key:
        names = [facts.name for facts in candidates] or list(rows.types)
        key = tuple(name for name in names if name != partition) or tuple(names)
    seen = [replace(facts, personal=in_key(facts.personal)) if facts.name in key else facts for facts in seen]
    columns = [replace(facts, span=None) if facts.name in key or facts.identifies else facts for facts in seen]
    return Survey(columns=tuple(columns), key=key, unique=unique)


def named_as_key(name: str) -> bool:
    """Whether people give such a name to what identifies: ``id``, ``order_id``, ``RideID``, ``tail number``."""
    return _NAMED_AS_KEY.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()) is not None


def _may_be_key(facts: ColumnFacts, no_key: Collection[str]) -> bool:
    return facts.type not in _MEASURED and not facts.nulls and facts.name not in no_key


def _key(
    rows: FileRows, candidates: list[ColumnFacts], together: "NDArray[np.uint64]", partition: str | None
) -> tuple[tuple[str, ...], bool]:
    """A minimal key, without columns where there is none.

    If all candidates together do not identify a row, no subset does. Otherwise one after another is left out unless the
    others then no longer do.
    """
    alone = [facts for facts in candidates if facts.distinct == facts.rows]
    if alone:
        best = min(alone, key=lambda facts: _likely_alone(facts, partition))
        return (best.name,), True
    if not candidates or not _unique(together):
        return (), False
    varied = [facts for facts in candidates if facts.distinct > 1]
    key = _spared(rows, sorted(varied, key=lambda facts: _likely(facts, partition)), together)
    if len(key) > _FEW:  # an order that keeps what has many values often needs fewer columns
        other = sorted(varied, key=lambda facts: (_likely(facts, partition, alike=True), -facts.distinct))
        key = min(key, _spared(rows, other, together), key=len)
    return tuple(name for name in rows.types if name in key), True


def _likely_alone(facts: ColumnFacts, partition: str | None) -> tuple[bool, bool, int, bool]:
    """The rank of a column that is a key by itself: what names a person last, since no key is read as that."""
    order = (ColumnType.INTEGER, ColumnType.STRING, *_TIMES)
    direct = facts.personal is PersonalKind.DIRECT_IDENTIFIER
    return direct, not named_as_key(facts.name), order.index(facts.type), facts.name != partition


def _likely(facts: ColumnFacts, partition: str | None, *, alike: bool = False) -> int:
    """The rank of a column as part of a key, 0 first; with *alike*, whole numbers and texts have the same."""
    if facts.personal is PersonalKind.DIRECT_IDENTIFIER:
        return 6
    if named_as_key(facts.name):
        return 0
    if facts.name == partition:
        return 2
    kinds = {ColumnType.STRING: 1, ColumnType.INTEGER: 3, ColumnType.DATE: 4, ColumnType.TIMESTAMP: 5}
    return 3 if alike and facts.type is ColumnType.STRING else kinds[facts.type]


def _spared(rows: FileRows, ranked: Sequence[ColumnFacts], together: "NDArray[np.uint64]") -> list[str]:
    """What is left of the *ranked* columns, which identify a row, when all that can be spared are, the last first."""
    needed = []
    for name, values in rows.columns([facts.name for facts in reversed(ranked)]):
        others = together - _hashes(name, values)[0]
        if _unique(others):
            together = others
        else:
            needed.append(name)
    return needed


def _unique(hashes: "NDArray[np.uint64]") -> bool:
    import pandas as pd

    return len(pd.unique(hashes)) == len(hashes)


def _seen(name: str, kind: ColumnType, values: "pa.ChunkedArray") -> "tuple[ColumnFacts, NDArray[np.uint64]]":
    """What is seen of one column, all its *values* at hand, and a hash of each."""
    hashes, distinct = _hashes(name, values)
    facts = ColumnFacts(
        name=name,
        type=kind,
        rows=len(values),
        nulls=values.null_count,
        distinct=distinct,
        span=span(kind, values),
        personal=proposal(name, kind, values),
    )
    return facts, hashes


def _hashes(name: str, values: "pa.ChunkedArray") -> "tuple[NDArray[np.uint64], int]":
    """A hash of each of the *values* of the column *name*, and how many values differ.

    Rows with different sums of their columns' hashes differ. Those with the same are the same, but for one pair in
    2**64.
    """
    import numpy as np
    import pandas as pd

    encoded = values.dictionary_encode().unify_dictionaries()
    words = encoded.chunk(0).dictionary.to_numpy(zero_copy_only=False)
    hashed = np.append(pd.util.hash_array(words, categorize=False), np.uint64(0))  # the last one is that of null
    of_column = pd.util.hash_array(np.array([name], object), categorize=False)
    codes = np.concatenate([chunk.indices.fill_null(len(words)).to_numpy() for chunk in encoded.chunks])
    return _mixed(hashed ^ of_column)[codes], len(words)


def _mixed(hashes: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """The finalizer of SplitMix64: sums of what it gives tell apart what sums of its argument might not."""
    import numpy as np

    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def span(kind: ColumnType, values: "pa.ChunkedArray") -> str | None:
    """The rounded range of *values*, at each end of which 20 of them or more lie; ``None``: it has none to show."""
    import numpy as np

    if kind not in (ColumnType.INTEGER, ColumnType.NUMBER, *_TIMES):
        return None
    valued = values.drop_null().to_numpy()
    if len(valued) < 2 * SMALLEST_GROUP:
        return None
    low, high = np.partition(valued, [SMALLEST_GROUP - 1, -SMALLEST_GROUP])[[SMALLEST_GROUP - 1, -SMALLEST_GROUP]]
    if kind in _TIMES:
        return f"{low.astype('datetime64[M]')} to {high.astype('datetime64[M]')}"
    return f"about {float(f'{low:.2g}'):g} to {float(f'{high:.2g}'):g}"
