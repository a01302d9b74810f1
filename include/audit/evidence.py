"""What a passport says, each figure with the event or manifest that it is read from, and what it cannot show."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from include.audit.verifier import NotVerified, leaf_document, resolve, signed_payload, taken
from include.core.canonical import digest_of
from include.core.errors import StoreError
from include.ledger import Entry
from include.store import Store

#: A step of a path, as :func:`include.audit.verifier.resolve` takes it.
Step = str | int | Mapping[str, Any]

NOT_RECORDED = "nothing of it is recorded"


class Proofs(Protocol):
    """The signed tree of a ledger, as far as one checkpoint: a signed note (C2SP) over its first ``size`` events."""

    @property
    def checkpoint(self) -> str: ...

    @property
    def size(self) -> int: ...

    def inclusion(self, position: int) -> Sequence[bytes]:
        """The proof that the event at *position* (from 1) lies in the tree."""
        ...

    def consistency(self) -> Mapping[int, Sequence[bytes]]:
        """By the sizes of earlier checkpoints, the proofs that this one goes on from them."""
        ...


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something is said: ``source`` is ``ledger/<position>`` or ``store/<digest>``, ``path`` leads into it."""

    source: str
    path: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value, and the place that it is read from; ``take`` is how, with what the places ``also`` say."""

    value: Any
    source: str
    path: tuple[Step, ...]
    take: str
    also: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class Claim(Cell):
    """A :class:`Cell` that stands by itself, under a ``name``."""

    name: str


@dataclass(frozen=True, kw_only=True)
class NotShown:
    """What a passport does not show, and why."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cells of a table, ``None`` for what is not recorded. ``label`` says what they are about, where no cell does."""

    label: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells, one for each of ``columns``. ``note`` says how to read it."""

    title: str
    columns: tuple[str, ...]
    note: str = ""
    rows: list[Row] = field(default_factory=list)

    def row(self, *cells: Cell | None, label: str = "") -> None:
        self.rows.append(Row(label=label, cells=cells))


@dataclass(frozen=True, kw_only=True)
class Source:
    """An event or a manifest, and what of it a passport may say. ``name`` is that of :class:`Place`."""

    name: str
    document: Mapping[str, Any]

    def place(self, *path: Step) -> Place:
        return Place(source=self.name, path=path)

    def get(self, *path: Step) -> list[Any]:
        """All that *path* leads to."""
        return resolve(self.document, path)

    def cell(self, *path: Step, take: str = "value", also: "Sequence[tuple[Source, tuple[Step, ...]]]" = ()) -> Cell:
        """What the place says.

        Raises:
            NotVerified: nothing lies there.
        """
        said = [self.get(*path), *(source.get(*other) for source, other in also)]
        places = tuple(source.place(*other) for source, other in also)
        return Cell(value=taken(take, said), source=self.name, path=path, take=take, also=places)

    def if_said(
        self, *path: Step, take: str = "value", also: "Sequence[tuple[Source, tuple[Step, ...]]]" = ()
    ) -> Cell | None:
        """:meth:`cell`; ``None``: nothing lies there, or nothing is said there."""
        try:
            found = self.cell(*path, take=take, also=also)
        except (NotVerified, KeyError, TypeError, ValueError):
            return None
        return None if found.value in (None, "", [], {}) else found

    def cells(self, *paths: Step | tuple[Step, ...]) -> tuple[Cell | None, ...]:
        """:meth:`if_said` of each."""
        return tuple(self.if_said(*(path if isinstance(path, tuple) else (path,))) for path in paths)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a passport, filled by what is recorded; what is not is in ``not_shown``. ``about`` explains it."""

    id: str
    title: str
    about: str = ""
    claims: list[Claim] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    not_shown: list[NotShown] = field(default_factory=list)

    def say(
        self,
        name: str,
        source: Source | None,
        *path: Step,
        take: str = "value",
        also: Sequence[tuple[Source, tuple[Step, ...]]] = (),
        why: str = NOT_RECORDED,
    ) -> bool:
        """Add the claim *name*; whether there is one. What is not recorded, or is empty, is NOT SHOWN, for *why*."""
        cell = None if source is None else source.if_said(*path, take=take, also=also)
        if cell is None:
            self.missing(name, why)
            return False
        self.claims.append(Claim(name=name, **vars(cell)))
        return True

    def say_all(self, source: Source | None, *path: Step, why: str = NOT_RECORDED, **names: Step) -> None:
        """A claim for each of *names* (``_`` for a blank), by what lies under *path* there."""
        for name, last in names.items():
            self.say(name.replace("_", " "), source, *path, last, why=why)

    def missing(self, what: str, why: str = NOT_RECORDED) -> None:
        self.not_shown.append(NotShown(what=what, why=why))

    def table(self, title: str, *columns: str, note: str = "") -> Table:
        made = Table(title=title, columns=columns, note=note)
        self.tables.append(made)
        return made

    def named(self, name: str) -> Claim | None:
        return next((each for each in self.claims if each.name == name), None)


class Evidence:
    """Collects the events and manifests that a passport rests on: each that was asked for becomes a part of it."""

    def __init__(self, store: Store, authority: Sequence[str], proofs: Proofs | None = None) -> None:
        """*authority* are the public keys (hex) of the authority."""
        self._store, self._authority, self.proofs = store, authority, proofs
        self._leaves: dict[int, Source] = {}
        self._raw: dict[int, str] = {}
        self._manifests: dict[str, Source] = {}
        self._texts: dict[str, str] = {}

    def event(self, entry: Entry) -> Source:
        """The event of *entry*: its document has ``header`` and ``event``."""
        if entry.position not in self._leaves:
            self._raw[entry.position] = entry.raw.decode()
            document = leaf_document(self._raw[entry.position])
            self._leaves[entry.position] = Source(name=f"ledger/{entry.position}", document=document)
        return self._leaves[entry.position]

    def event_or_none(self, entry: Entry | None) -> Source | None:
        return None if entry is None else self.event(entry)

    def proven(self, entries: Iterable[Entry], section: Section) -> Iterator[Source]:
        """Those of *entries* that are signed, or need not be; *section* says how many others there are."""
        refused = 0
        for entry in entries:
            envelope = getattr(entry.event, "envelope", None)
            try:
                if envelope is not None:
                    signed_payload(envelope, self._authority)
            except (NotVerified, ValueError, KeyError, TypeError):
                refused += 1
                continue
            yield self.event(entry)
        if refused:
            section.missing(f"{refused} entries of the ledger", "their signatures do not hold: they decide nothing")

    def manifest(self, digest: str | None) -> Source | None:
        """The manifest *digest* of the open store; ``None``: it is not there any more."""
        import json

        if digest is None:
            return None
        if digest not in self._manifests:
            try:
                text = self._store.get(digest).decode()
            except StoreError:
                return None
            self._texts[digest] = text
            self._manifests[digest] = Source(name=f"store/{digest}", document=json.loads(text))
        return self._manifests[digest]

    @property
    def last_position(self) -> int:
        """That of the last event that a figure is read from."""
        return max(self._raw, default=0)

    def leaves(self) -> dict[str, dict[str, Any]]:
        """By position, the bytes of each event and its proof to the checkpoint (``None``: there is none yet)."""
        return {
            str(position): {"raw": raw, "leaf_hash": digest_of(b"\0" + raw.encode()), "proof": self._proof(position)}
            for position, raw in self._raw.items()
        }

    def manifests(self) -> dict[str, str]:
        return dict(self._texts)

    def _proof(self, position: int) -> list[str] | None:
        if self.proofs is None or position > self.proofs.size:
            return None
        return [base64.b64encode(node).decode() for node in self.proofs.inclusion(position)]
