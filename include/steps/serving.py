"""The champion at work on new rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError, RegistryError
from include.core.project import Project
from include.core.records import Run, Snapshot, UnfamiliarValues
from include.steps.data import snapshot
from include.steps.definitions import changed
from include.steps.platform import Platform, contents, contracts_of, open_artifacts

if TYPE_CHECKING:
    import pyarrow as pa

    from include.registry.bundle import Champion
    from include.registry.champions import ChampionInForce


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Key and ``prediction`` of scored rows, by which ``version``, and how many of them are ``unfamiliar`` to it.

    ``notes`` are said beside it.
    """

    table: "pa.Table"
    version: int
    notes: tuple[str, ...]
    unfamiliar: tuple[UnfamiliarValues, ...]


def score(platform: Platform, project: Project, run: Run, rows: "pa.Table", *, now: datetime) -> Predictions:
    """The champion's predictions for *rows*, which have the scope's columns, typed as the contract says.

    Their features are computed by the night's own expressions, from what is known at the run's instant.

    Raises:
        RegistryError: the project has no champion yet, or one whose label or features are defined otherwise now.
        AccessDenied: no grant in force covers what the project reads.
    """
    from include.data import scoring

    key = project.learning.target.key
    champion = platform.champions.in_force(project.name)
    if champion is None:
        raise RegistryError("a champion scores", value=f"{project.name} has none", remedy="Run a night first.")
    model = load(platform, project, run, champion, step="score", now=now)
    digest = snapshot(platform, project, run, now=now)
    taken = platform.load(Snapshot, digest)
    dataset = taken.scope.dataset(project.learning.target.dataset)
    if dataset is None:
        raise DeclarationError("a scope holds the target's dataset", value=digest, remedy="Begin another run.")
    opened = open_artifacts(platform, run, "score", contents(taken.partitions), now=now)
    treated = scoring.treat(rows, dataset, purpose=project.ownership.purpose, pseudonyms=platform.pseudonyms)
    contracts = contracts_of(platform, run)
    contract = contracts[project.learning.target.dataset]
    joined = scoring.with_rows(taken, treated, contract, opened=opened, vault=platform.vault)
    opened = open_artifacts(platform, run, "score", contents(joined.partitions), now=now)
    built = scoring.features_of(
        treated, joined, project=project, contracts=contracts, opened=opened, vault=platform.vault
    )
    return Predictions(
        table=built.select(list(key)).append_column("prediction", [model.predict(built)]),
        version=champion.number,
        notes=champion.notes,
        unfamiliar=model.unfamiliar(built),
    )


def load(
    platform: Platform, project: Project, run: Run, champion: "ChampionInForce", *, step: str, now: datetime
) -> "Champion":
    """The model of *champion*, which learnt what its project declares now.

    Raises:
        RegistryError: its label or a feature is defined otherwise now, or it may not be used.
        AccessDenied: no grant in force covers what the project reads.
    """
    from include.registry import bundle

    digest = champion.usable().registered.bundle
    opened = open_artifacts(platform, run, step, [digest], now=now, serving=True)
    model = bundle.load_version(opened.bytes(digest), platform.verifier, champion.version)
    if otherwise := changed(platform, project, run, model.manifest):
        raise RegistryError(
            f"version {champion.number} of {project.name!r} scores what its project declares as it did when it "
            "was trained",
            value="; ".join(otherwise),
            remedy="Put the definition back, or run a night of another instant with "
            f"Gates(supersedes={champion.number}).",
        )
    return model
