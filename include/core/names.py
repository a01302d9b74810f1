"""Names as people write them, and as DuckDB compares them: without regard to case."""

from collections.abc import Iterable


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of *names* that differ by case alone, or not at all; ``None`` where each has a name of its own."""
    known: dict[str, str] = {}
    for name in names:
        folded = name.casefold()
        if folded in known:
            return known[folded], name
        known[folded] = name
    return None
