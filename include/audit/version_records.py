"""All that the ledger holds of one model version: the entries that a passport is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import DeclarationError
from include.core.events import DataValidated, Event, ModelEvaluated, StepFinished, StepReused
from include.core.records import DAY, Evaluation, Run, day_start
from include.ledger import Entry, Ledger
from include.ledger.journal import begun
from include.registry.champions import Champions, ProjectVersions, Version, in_force_at


@dataclass(frozen=True)
class VersionRecords:
    """What is recorded of *version* of *project*."""

    ledger: Ledger
    champions: Champions
    project: str
    version: Version

    @property
    def number(self) -> int:
        return self.version.number

    @property
    def run_id(self) -> str:
        """The night that made it."""
        return self.version.registered.run_id

    def fact(self, key: str) -> Entry | None:
        return self.ledger.find(key)

    @cached_property
    def versions(self) -> ProjectVersions:
        return self.champions.known(self.project)

    @cached_property
    def registered(self) -> Entry:
        wanted = self.version.registered
        return next(each for each in self.ledger.read(streams.model(self.project)) if each.event == wanted)

    @cached_property
    def of_run(self) -> Sequence[Entry]:
        """The night's own events, in their order."""
        return self.ledger.read(streams.run(self.project, self.run_id))

    def in_run(self, *kinds: type[Event]) -> list[Entry]:
        return [each for each in self.of_run if isinstance(each.event, kinds)]

    @cached_property
    def run(self) -> Run | None:
        return begun(self.ledger, self.project, self.run_id)

    @cached_property
    def began(self) -> Entry | None:
        return self.fact(streams.run(self.project, self.run_id))

    @cached_property
    def evaluated(self) -> Entry | None:
        return self.fact(streams.evaluated_key(self.project, self.version.registered.evaluation))

    @property
    def evaluation(self) -> Evaluation | None:
        event = self.evaluated.event if self.evaluated is not None else None
        return event.evaluation if isinstance(event, ModelEvaluated) else None

    @cached_property
    def decided(self) -> Entry | None:
        """The authority's signed decision about it."""
        decision = self.version.decision
        if decision is None:
            return None
        return self.ledger.read(streams.promotion(self.project))[decision.position - 1]

    @cached_property
    def declared(self) -> Entry | None:
        """Which declaration the night began with: whichever run of the same code made it."""
        if self.run is None:
            return None
        inputs = record_digest((self.run.code_digest, self.run.declaration_digest))
        return self.fact(streams.step_key(self.project, "declare", inputs))

    def made(self, step: str) -> Entry | None:
        """What the night's *step* made last, or found made."""
        found = [
            each
            for each in self.of_run
            if isinstance(each.event, StepFinished | StepReused) and each.event.step == step
        ]
        return found[-1] if found else None

    @cached_property
    def validations(self) -> list[Entry]:
        """All validations of the project's data up to that of this night, in their order."""
        entries = self.ledger.read(streams.validated(self.project))
        return [
            each
            for each in entries
            if isinstance(each.event, DataValidated) and each.position < self.registered.position
        ]

    @cached_property
    def predecessor(self) -> "VersionRecords | None":
        """The champion that it was decided beside or, where there was none, the version before it."""
        champion = self.versions.champion(before=self.number)
        earlier = [each for each in self.versions.versions if each.number < self.number]
        found = champion or (earlier[-1] if earlier else None)
        return None if found is None else VersionRecords(self.ledger, self.champions, self.project, found)

    def since(self, stream: str, *kinds: type[Event]) -> Iterator[Entry]:
        """The events of *stream* that were recorded after it was registered."""
        for each in self.ledger.read(stream):
            if each.position > self.registered.position and isinstance(each.event, kinds):
                yield each

    def judges(self, event: Any) -> bool:
        """Whether *event* of the watch is about this version."""
        judged = getattr(event, "judged", None)
        about: int = event.model_version if judged is None else judged.champion
        return self.number == about


def asked_for(ledger: Ledger, champions: Champions, subject: str) -> VersionRecords:
    """The version that *subject* names: ``PROJECT``, ``PROJECT@champion``, ``PROJECT@3`` or ``PROJECT@2013-07-01``.

    A project alone stands for its champion, a day for the version that served when it ended.

    Raises:
        DeclarationError: there is no such version.
    """
    project, _, which = subject.partition("@")
    known = champions.known(project)
    version = None
    if which in ("", "champion"):
        version = known.champion()
    elif which.removeprefix("v").isdigit():
        version = known.numbered(int(which.removeprefix("v")))
    else:
        found = in_force_at(champions.tenures(project), day_start(_day(which) + DAY))
        version = None if found is None else found.version
    if version is None:
        numbers = ", ".join(str(each.number) for each in known.versions)
        raise DeclarationError(
            "a passport is that of a registered version",
            value=f"{subject}; versions of {project}: {numbers or 'none'}",
            remedy="Write PROJECT, PROJECT@3, PROJECT@champion or PROJECT@2013-07-01.",
        )
    return VersionRecords(ledger, champions, project, version)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DeclarationError(
            "a version is named by its number, by `champion` or by a day on which it served",
            value=text,
            remedy="Write PROJECT@3, PROJECT@champion or PROJECT@2013-07-01.",
        ) from None
