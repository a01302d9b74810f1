"""A passport as one HTML file: no script, no other host, for light and dark and for paper."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from include.audit.drawings import Drawing, drawings_of
from include.audit.passport import Passport
from include.core.records import Treatment

_TEMPLATE = Path(__file__).with_name("passport.html.jinja")
_DIGEST = re.compile(r"sha256:([0-9a-f]{8})[0-9a-f]{52}([0-9a-f]{4})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")
#: Longer tables are folded, on a screen.
_ROWS_SHOWN = 14


def render(passport: Passport) -> str:
    """*passport* as it is read by people."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": shown, "source": source_in_words, "anchor": anchor}
    document = passport.document
    said = {claim["name"]: claim for section in document["sections"] for claim in section["claims"]}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        document=document,
        said=said,
        answered=sum(each["answered"] for each in document["questions"]),
        drawings=_by_table(drawings_of(document)),
        folded=_ROWS_SHOWN,
        leaves=list(_leaves(document)),
        is_long=is_long,
        parts=parts,
        signature=document["seal"],
        name=passport.name,
    )


def _by_table(drawings: Sequence[Drawing]) -> dict[str, Drawing]:
    return {f"{each.section}/{each.table}": each for each in drawings}


def _leaves(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import json

    for position, leaf in sorted(document["leaves"].items(), key=lambda each: int(each[0])):
        header = json.loads(leaf["raw"].partition("\n")[0])
        yield {**header, "position": position, "leaf_hash": leaf["leaf_hash"], "proven": leaf["proof"] is not None}


def shown(value: Any) -> str:
    """A value as people read it: figures to four digits, times in UTC, digests cut."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return _listed(value)
    text = _DIGEST.sub(r"\1…\2", str(value))
    return _MOMENT.sub(lambda found: f"{datetime.fromisoformat(found[0]):%Y-%m-%d %H:%M:%S}Z", text)


def _listed(values: Sequence[Any]) -> str:
    """A list; a column with its data set or, where it is not read as it is, with its treatment."""
    return ", ".join(_paired(*each) if _is_pair(each) else shown(each) for each in values)


def _paired(first: str, second: str) -> str:
    if second not in list(Treatment):
        return f"{first}.{second}"
    return first if second == Treatment.CLEAR else f"{first} ({second})"


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def is_long(value: Any) -> bool:
    """Whether it is shown as a block of its own: SQL, a contract."""
    return isinstance(value, str) and (len(value) > 300 or "\n" in value.strip())


def parts(value: Any) -> list[tuple[str, str]]:
    """The names and values of a mapping, or none: what is declared together is a small table."""
    return [(name, shown(each)) for name, each in value.items()] if isinstance(value, dict) else []


def source_in_words(source: str) -> str:
    kind, _, name = source.partition("/")
    return f"#{name}" if kind == "ledger" else f"{name.removeprefix('sha256:')[:8]}"


def anchor(source: str) -> str:
    return source.replace("/", "-").replace(":", "-")
