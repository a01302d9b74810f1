"""What is kept longer than its contracts declare is removed, after its tombstone, and nothing else."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from include import steps
from include.cli import lineage
from include.core.errors import StoreUnavailable
from include.core.events import ArtifactsRemoved, PartitionsMade, ReferenceMade, RetentionCarriedOut
from include.core.project import Gates
from include.core.records import ArtifactKind, FeatureSet, Plan, Snapshot
from include.governance.vault import Vault
from include.runtime.upkeep.lineage import graph
from include.settings import ROOT
from include.steps import retention
from include.steps.platform import contents
from include.store import Store
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, LATER, NOW, TEMPERATURE, Night, Yard

# The shipped contracts keep snapshots and features 400 days, models 3,650.


def in_days(days: float) -> datetime:
    """So long after the nights of the fixtures, which the ledger recorded a moment ago."""
    return datetime.now(UTC) + timedelta(days=days)


def lying(yard: Yard) -> set[str]:
    """The digests of all that lies in the vault."""
    files = (yard.home / "vault").glob("sha256/*/*")
    return {f"sha256:{file.parent.name}{file.name}" for file in files}


def size_of(yard: Yard, digest: str) -> int:
    name = digest.removeprefix("sha256:")
    return (yard.home / "vault" / "sha256" / name[:2] / name[2:]).stat().st_size


def tombstones(yard: Yard) -> list[ArtifactsRemoved]:
    return [event for event in yard.events(ArtifactsRemoved) if isinstance(event, ArtifactsRemoved)]


def rows_of(yard: Yard, night: Night) -> set[str]:
    return set(contents(yard.platform.load(Snapshot, night.digests["snapshot"]).partitions))


def test_a_home_of_before_loses_nothing_within_its_time_and_then_all_but_what_a_champion_is_made_of(
    past: tuple[Yard, Night],
) -> None:
    yard, night = past
    before = lying(yard)
    assert retention.carry_out(yard.platform, now=in_days(399)).removed == 0
    assert lying(yard) == before
    carried = retention.carry_out(yard.platform, now=in_days(401))
    champion = yard.platform.champions.in_force(FLIGHTS.name)
    assert champion is not None
    built = yard.platform.load(FeatureSet, night.digests["features"])
    assert lying(yard) >= {champion.registered.bundle, night.evaluation.model, *rows_of(yard, night)}
    assert not lying(yard) & {*contents(built.partitions), yard.platform.load(Plan, night.digests["plan"]).binned}
    removed = [digest for event in tombstones(yard) for digest in event.artifacts]
    assert carried.removed == len(removed) == len(set(removed))
    assert set(removed) >= before - lying(yard)
    assert {event.rule.split(" as ")[0] for event in tombstones(yard)} == {"400 days after the last use,"}
    assert {kind for event in tombstones(yard) for kind in [event.artifact_kind]} == {
        *(ArtifactKind.FEATURES, ArtifactKind.TRAINING, ArtifactKind.PROFILE, ArtifactKind.REPORT)
    }
    assert retention.not_rebuildable(yard.platform.ledger) == {}
    assert retention.carry_out(yard.platform, now=in_days(402)).removed == 0, "a tombstone is recorded once"


def test_nothing_of_a_project_is_removed_while_nobody_can_say_what_its_champion_was_made_of(
    past: tuple[Yard, Night],
) -> None:
    yard, night = past
    before, name = lying(yard), night.digests["features"].removeprefix("sha256:")
    (yard.home / "store" / "sha256" / name[:2] / name[2:]).unlink()
    assert retention.carry_out(yard.platform, now=in_days(5000)).removed == 0
    assert lying(yard) == before
    assert FLIGHTS.name in retention.outlook(yard.platform, now=in_days(5000)).without


def test_a_champion_in_force_outlasts_every_time_and_a_removed_artifact_may_be_made_again(
    past: tuple[Yard, Night],
) -> None:
    yard, night = past
    retention.carry_out(yard.platform, now=in_days(5000))
    champion = yard.platform.champions.in_force(FLIGHTS.name)
    assert champion is not None
    assert champion.registered.bundle in lying(yard)
    again = yard.night(run_id="again")
    assert again.digests == night.digests
    assert lying(yard) >= set(contents(yard.platform.load(FeatureSet, again.digests["features"]).partitions))
    assert retention.carry_out(yard.platform, now=in_days(300)).removed == 0, "what was made again counts from then"


@pytest.fixture
def refused(past: tuple[Yard, Night]) -> tuple[Yard, Night]:
    """A deployment in which the next night's model was registered and not promoted."""
    yard, _ = past
    gated = FLIGHTS.varied(gates=replace(FLIGHTS.quality.gates, minimum_days=400))
    return yard, yard.night(gated, run_id="refused", instant=INSTANT + LATER)


def test_a_version_whose_rows_are_removed_is_not_rebuildable_from_then_on_and_a_hold_comes_first(
    refused: tuple[Yard, Night],
) -> None:
    yard, night = refused
    assert not night.promotion.verdict.promote
    only_its = rows_of(yard, night) - {
        part.content
        for event in yard.events(PartitionsMade, run_id="night")
        if isinstance(event, PartitionsMade)
        for part in event.partitions
    }
    assert only_its
    version = f"{FLIGHTS.name}/{night.promotion.version}"
    for subject in (version, FLIGHTS.name):
        yard.authority.hold(subject, user="steward", reason="A claim")
        retention.carry_out(yard.platform, now=in_days(5000))
        assert lying(yard) >= only_its | {night.promotion.bundle}, subject
        assert retention.not_rebuildable(yard.platform.ledger) == {}
        assert not {each.artifact for each in retention.outlook(yard.platform, now=in_days(0)).endings} & only_its
        yard.authority.end_hold(subject, user="steward", reason="It is settled")
    yard.authority.hold("flights", user="steward", reason="A claim")
    retention.carry_out(yard.platform, now=in_days(401))
    assert not only_its <= lying(yard), "rows of weather are another dataset's"
    assert night.promotion.bundle in lying(yard), "and a model of both is made of flights too"
    assert set(retention.not_rebuildable(yard.platform.ledger)) == {(FLIGHTS.name, night.promotion.version)}
    assert {version} == {each for event in tombstones(yard) for each in event.versions}
    told = list(lineage.gone(yard.settings, graph(yard.settings, FLIGHTS.name, run="refused")))
    assert [line.partition(" since ")[0] for line in told] == ["version 2 of flight_delay: NOT REBUILDABLE"]
    assert list(lineage.gone(yard.settings, graph(yard.settings, FLIGHTS.name, run="night"))) == []


def test_a_kill_between_tombstone_and_removal_is_made_up_for_and_what_was_used_since_stays(
    past: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, _ = past
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "remove", _killed)
        with pytest.raises(SystemExit):
            retention.carry_out(yard.platform, now=in_days(401))
    first = tombstones(yard)[-1]
    assert set(first.artifacts) <= lying(yard)
    assert retention.carry_out(yard.platform, now=in_days(401)).removed > len(first.artifacts)
    assert not set(first.artifacts) & lying(yard)
    named = [digest for event in tombstones(yard) for digest in event.artifacts]
    assert len(named) == len(set(named))
    yard.night(run_id="again")
    yard.platform.ledger.record("retention", replace(first, rule="killed before the night"))
    yard.night(run_id="and again")
    assert retention.carry_out(yard.platform, now=in_days(1)).removed == 0
    assert set(first.artifacts) <= lying(yard)


def _killed(*_: object) -> None:
    raise SystemExit


def test_nothing_that_a_project_knows_is_removed_while_something_of_it_runs(past: tuple[Yard, Night]) -> None:
    yard, _ = past
    now = in_days(401)
    run = steps.begin(yard.platform, FLIGHTS, run_id="running", instant=INSTANT + LATER, now=now)
    before = lying(yard)
    carried = retention.carry_out(yard.platform, now=now)
    assert (carried.removed, carried.left > 0) == (0, True)
    assert lying(yard) == before
    assert retention.is_due(yard.platform.ledger, now=now), "what was left is tried again at once"
    steps.finish(yard.platform, run)
    assert retention.carry_out(yard.platform, now=now).left == 0
    assert lying(yard) < before
    assert not retention.is_due(yard.platform.ledger, now=in_days(0.5))


def test_what_begins_while_artifacts_are_removed_keeps_the_rest(
    past: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, _ = past
    now, removed = in_days(401), list[str]()

    def remove(vault: Vault, digest: str) -> None:
        if not removed:
            steps.begin(yard.platform, FLIGHTS, run_id="running", instant=INSTANT, now=now)
        removed.append(digest)

    with monkeypatch.context() as patch:
        patch.setattr(Vault, "remove", remove)
        carried = retention.carry_out(yard.platform, now=now)
    (batch,) = (event.artifacts for event in tombstones(yard) if removed[0] in event.artifacts)
    assert removed == list(batch), "no more than one batch"
    assert carried.left > 0
    assert yard.events(RetentionCarriedOut)


def test_what_was_adopted_decides_and_no_edit_that_nobody_adopted(
    past: tuple[Yard, Night], make_yard: MakeYard, tmp_path: Path
) -> None:
    yard, _ = past
    contracts = with_times(tmp_path / "contracts", snapshot=1, features=1, model=1)
    edited = make_yard(template=yard.home, contracts=contracts)
    before = lying(edited)
    assert retention.carry_out(edited.platform, now=in_days(399)).removed == 0
    assert lying(edited) == before
    edited.adopt()
    assert retention.carry_out(edited.platform, now=in_days(2)).removed > 0


def test_where_nothing_is_declared_nothing_is_removed_and_that_is_said(
    past: tuple[Yard, Night], make_yard: MakeYard, tmp_path: Path
) -> None:
    yard, _ = past
    contracts = with_times(tmp_path / "contracts")
    silent = make_yard(template=yard.home, contracts=contracts)
    silent.adopt()
    before = lying(silent)
    assert retention.carry_out(silent.platform, now=in_days(5000)).removed == 0
    assert lying(silent) == before
    without = retention.outlook(silent.platform, now=in_days(0)).without
    assert without == dict.fromkeys(["flights", "planes", "weather"], "its contract declares no retention")


def test_content_that_two_projects_made_stays_until_the_last_has_no_use_for_it(past: tuple[Yard, Night]) -> None:
    yard, night = past
    (partition, *_) = (
        part for part in yard.platform.load(FeatureSet, night.digests["features"]).partitions if part.table == "label"
    )
    made = PartitionsMade(project="another", run_id="its", partitions=(replace(partition, table="flights"),))
    yard.platform.ledger._clock = lambda: in_days(200)  # type: ignore[method-assign]
    yard.platform.ledger.record("partitions/another", made)
    retention.carry_out(yard.platform, now=in_days(401))
    assert partition.content in lying(yard)
    retention.carry_out(yard.platform, now=in_days(601))
    assert partition.content not in lying(yard)


def test_a_vault_out_of_reach_leaves_the_rest_to_the_next_time(
    past: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, _ = past
    before = lying(yard)
    store = yard.platform.store
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "get", _out_of_reach)
        with pytest.raises(StoreUnavailable):
            retention.carry_out(yard.platform, now=in_days(401))
    assert lying(yard) == before


def _out_of_reach(*_: object) -> bytes:
    raise StoreUnavailable("the store can be reached and has room", value="no", remedy="Retry.")


# ── a year ────────────────────────────────────────────────────────────────────────────────────────────────────────────

SPACING = timedelta(days=18)
NIGHTS = 20
#: So long a champion that was replaced is what later ones are held against.
HELD = timedelta(days=180)
TIMES = {"snapshot": 40, "features": 20, "model": 100}
KIND_DAYS = {kind: TIMES.get(kind.value, TIMES["snapshot"]) for kind in ArtifactKind}


def with_times(folder: Path, **days: int) -> Path:
    """The shipped contracts with other times of retention."""
    shutil.copytree(ROOT / "include" / "contracts", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for file in folder.glob("*.odcs.yaml"):
        document = yaml.safe_load(file.read_text())
        others = [entry for entry in document["slaProperties"] if entry["property"] != "retention"]
        declared = [{"property": "retention", "element": kind, "value": days[kind], "unit": "d"} for kind in days]
        document["slaProperties"] = others + declared
        file.write_text(yaml.safe_dump(document))
    return folder


def used_by(yard: Yard, night: Night) -> Iterator[tuple[ArtifactKind, set[str]]]:
    """What lies in the vault of a night, by kind."""
    drawn = yard.platform.load(Plan, night.digests["plan"])
    yield ArtifactKind.SNAPSHOT, rows_of(yard, night)
    yield ArtifactKind.FEATURES, set(contents(yard.platform.load(FeatureSet, night.digests["features"]).partitions))
    yield ArtifactKind.TRAINING, set(drawn.artifacts)
    yield ArtifactKind.PROFILE, {drawn.profile}
    made = yard.platform.ledger.find(f"reference/{night.run.project}/{night.digests['evaluate']}")
    assert made is not None
    assert isinstance(made.event, ReferenceMade)
    model = {night.evaluation.model, night.promotion.bundle, made.event.reference} | benchmark_of(night)
    yield ArtifactKind.MODEL, model | rows_of(yard, night)


def benchmark_of(night: Night) -> set[str]:
    assert night.evaluation.benchmark is not None
    assert night.evaluation.benchmark.model is not None
    return {night.evaluation.benchmark.model}


@pytest.mark.long
def test_over_a_year_of_nights_the_bytes_in_use_are_those_of_the_declared_days_and_no_more(
    make_yard: MakeYard, tmp_path: Path
) -> None:
    yard = make_yard(contracts=with_times(tmp_path / "contracts", **TIMES))
    gates = Gates(margin=1e9, floor_loss=1e9, minimum_days=1, skill=None)  # each night makes a champion
    project = TEMPERATURE.varied(search=replace(TEMPERATURE.learning.search, trials=2, rungs=(2,)), gates=gates)
    clock = [NOW]
    yard.platform.ledger._clock = lambda: clock[0]  # type: ignore[method-assign]
    used: list[tuple[datetime, dict[ArtifactKind, dict[str, int]]]] = []
    benchmarks: set[str] = set()
    grown = 0
    for number in range(NIGHTS):
        clock[0] = now = NOW + number * SPACING
        yard.grant(project, now=now)  # asks where none is in force any more
        night = yard.night(project, run_id=f"night-{number}", instant=INSTANT + number * SPACING, now=now)
        sizes = {kind: {digest: size_of(yard, digest) for digest in digests} for kind, digests in used_by(yard, night)}
        used.append((now, sizes))
        benchmarks |= benchmark_of(night)
        grown += sum(size for by_digest in sizes.values() for size in by_digest.values())
        clock[0] = swept = now + timedelta(hours=12)
        retention.carry_out(yard.platform, now=swept)
        expected, bound = _allowed(used, benchmarks, swept)
        assert lying(yard) == set(expected)
        in_use = sum(size_of(yard, digest) for digest in lying(yard))
        assert in_use <= bound
    assert in_use * 3 < grown, "without removal it would have grown on"
    gone = retention.not_rebuildable(yard.platform.ledger)
    assert {number for _, number in gone} == set(range(1, NIGHTS - _within(KIND_DAYS[ArtifactKind.MODEL])))


def _within(days: int) -> int:
    """So many nights may lie within the last *days*, one that was replaced by the next among them."""
    return days // SPACING.days + 1


def _allowed(
    used: list[tuple[datetime, dict[ArtifactKind, dict[str, int]]]], benchmarks: set[str], now: datetime
) -> tuple[dict[str, int], int]:
    """What may lie there at *now*, and the bound: for each kind, its declared days × the bytes that a day uses, and
    models for :data:`HELD` more. No later version is held against *benchmarks*: theirs are counted from their night on.
    """
    expected: dict[str, int] = {}
    bound = 0
    for kind, days in KIND_DAYS.items():
        ends = [at for at, _ in used[1:]] + [now] if kind is ArtifactKind.MODEL else [at for at, _ in used]
        living = [
            sizes.get(kind, {}) for (_, sizes), end in zip(used, ends, strict=True) if now < end + timedelta(days=days)
        ]
        for sizes in living:
            expected |= sizes
        a_night = max((sum(sizes.get(kind, {}).values()) for _, sizes in used), default=0)
        bound += (_within(days) + (kind is ArtifactKind.MODEL)) * a_night
    rows = [sizes.get(ArtifactKind.SNAPSHOT, {}) for _, sizes in used]
    models = [
        {digest: size for digest, size in sizes[ArtifactKind.MODEL].items() if digest not in read}
        for (_, sizes), read in zip(used, rows, strict=True)
    ]
    declared = KIND_DAYS[ArtifactKind.MODEL]
    for model, end in zip(models, [at + HELD for at, _ in used[1:]] + [now], strict=True):
        if now < min(end, now) + timedelta(days=declared):
            expected |= model
    bound += (_within(HELD.days + declared) + 1) * max(sum(model.values()) for model in models)
    recent = {
        digest for at, sizes in used if now < at + timedelta(days=declared) for digest in sizes[ArtifactKind.MODEL]
    }
    return {digest: size for digest, size in expected.items() if digest not in benchmarks - recent}, bound


def test_what_is_kept_of_a_training_that_nobody_took_up_again_goes_after_a_day_whatever_is_declared(
    make_yard: MakeYard,
) -> None:
    yard, name = make_yard(), f"sha256:{'5' * 64}"
    shelves = [Store(yard.settings.vault), Store(yard.settings.store)]
    for shelf in shelves:
        shelf.keep_working(name, b"half a model")
    retention.carry_out(yard.platform, now=in_days(0.9))
    assert [shelf.working(name) for shelf in shelves] == [b"half a model"] * 2
    retention.carry_out(yard.platform, now=in_days(1.1))
    assert [shelf.working(name) for shelf in shelves] == [None, None]
