"""Bad input stops a night before anyone learns from it, is named without a value, and leaves nothing half-written."""

import errno
import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include import steps
from include.core.errors import (
    ContractError,
    DataError,
    DeclarationError,
    LedgerUnavailable,
    StoreError,
    StoreUnavailable,
    TrainyardError,
    ValidationFailed,
)
from include.core.events import DataValidated, RunStarted, StepFailed, TrialRecorded
from include.core.project import FeatureGroup, Project, Severity
from include.core.records import FeatureSet, Plan, Snapshot, Validation
from include.runtime.nights import local
from include.store import Store
from tests.night.conftest import MakeYard
from tests.night.scan import files_with
from tests.night.yard import FLIGHTS, INSTANT, NOW, Night, Yard, replaced

DAY = "2013-05-20"
WINDOW = [f"2013-05-{day:02}" for day in range(9, 32)]
#: What the damaged rows hold. None of it occurs elsewhere.
DISTANCE, FLIGHT, TAIL, DESTINATION = -771234567.25, 987654321, "N0DAMAGE", "ZQXWV"
TRACES = ("771234567", "987654321", TAIL, DESTINATION)

Change = Callable[[Path], None]


def damage(file: Path) -> None:
    """Three rows whose values no flight can have."""
    table = pq.read_table(file)
    for name, value in (("distance", DISTANCE), ("flight", FLIGHT), ("tailnum", TAIL), ("dest", DESTINATION)):
        held = table[name].combine_chunks()
        wrong = pa.array([value] * 3, held.type)
        if name == "flight":  # the key stays a key
            wrong = pa.array([value + number for number in range(3)], held.type)
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.chunked_array([wrong, held.slice(3)]))
    pq.write_table(table, file)


def truncate(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def flip(file: Path) -> None:
    """One byte in the middle of the pages."""
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0xFF
    file.write_bytes(bytes(data))


def double_rows(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), file)


def without_column(file: Path) -> None:
    pq.write_table(pq.read_table(file).drop_columns(["distance"]), file)


def without_rows(file: Path) -> None:
    pq.write_table(pq.read_table(file).slice(0, 0), file)


def calm(file: Path) -> None:
    """No wind is known: a warning of the project."""
    table = pq.read_table(file)
    place = table.column_names.index("wind_speed")
    pq.write_table(table.set_column(place, "wind_speed", pa.nulls(len(table), pa.float64())), file)


@pytest.fixture
def damaged(make_yard: MakeYard, production: Path, tmp_path: Path) -> Callable[..., Yard]:
    """A deployment whose production was changed, and granted."""

    def make(change: Change, *days: str, dataset: str = "flights") -> Yard:
        yard = make_yard(production=replaced(production, tmp_path / "production", dataset, change, *days))
        yard.grant(FLIGHTS)
        return yard

    return make


def repair(yard: Yard, production: Path, *days: str, dataset: str = "flights") -> None:
    for day in days:
        place = Path(dataset) / f"day={day}" / "part.parquet"
        (yard.production / place).unlink()
        (yard.production / place).hardlink_to(production / place)


def traces(yard: Yard) -> list[str]:
    """Files outside the vault in which a value of the damaged rows stands."""
    found = [path for trace in TRACES for path in files_with(trace, yard.home)]
    return [path for path in found if not path.startswith("vault/")]


def test_impossible_values_stop_a_night_before_its_plan_until_they_are_repaired(
    damaged: Callable[..., Yard],
    production: Path,
    done: tuple[Yard, Night],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    yard = damaged(damage, DAY)
    reached: list[str] = []
    with pytest.raises(
        ValidationFailed, match=f"flights: expect_column_values_to_be_between of distance .* on {DAY}, 3 of"
    ):
        yard.night(before=reached.append)
    assert reached == ["snapshot", "validate"]
    (validated,) = yard.events(DataValidated)
    assert isinstance(validated, DataValidated)
    assert validated.worst is Severity.CRITICAL

    with pytest.raises(ValidationFailed):  # what is recorded as failed is not passed the second time
        yard.night()
    assert yard.events(TrialRecorded) == []

    repair(yard, production, DAY)
    _, undamaged = done
    night = yard.night()
    assert night.digests | {"validate": ""} == undamaged.digests | {"validate": ""}
    assert traces(yard) == []
    printed = capfd.readouterr()
    assert not any(trace in caplog.text + printed.out + printed.err for trace in TRACES)


def test_an_error_about_damaged_rows_holds_no_value_of_them_with_all_its_causes(damaged: Callable[..., Yard]) -> None:
    yard = damaged(damage, DAY)
    with pytest.raises(ValidationFailed) as caught:
        yard.night()
    told: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        told.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    assert not any(trace in text for trace in TRACES for text in told)
    assert yard.settings.user not in "".join(told)


@pytest.mark.parametrize("change", [truncate, flip])
def test_a_broken_file_stops_a_night_by_naming_its_dataset_and_day_until_it_is_repaired(
    damaged: Callable[..., Yard], production: Path, done: tuple[Yard, Night], change: Change
) -> None:
    yard = damaged(change, DAY)
    with pytest.raises(DataError, match=f"flights of {DAY}: the file is whole and readable Parquet"):
        yard.night()
    assert yard.attempts("night")["snapshot"] == ["DataError"]
    repair(yard, production, DAY)
    _, undamaged = done
    assert yard.night().digests == undamaged.digests


def test_a_warning_is_reported_and_the_night_goes_on(damaged: Callable[..., Yard]) -> None:
    yard = damaged(calm, *WINDOW[:5], dataset="weather")
    assert yard.night().promotion.verdict.promote
    (validated,) = yard.events(DataValidated)
    assert isinstance(validated, DataValidated)
    assert validated.worst is Severity.WARNING


@pytest.mark.parametrize(
    ("change", "days", "error", "message"),
    [
        (double_rows, [DAY], DataError, f"flights of {DAY}"),
        (without_column, [DAY], ContractError, r"missing \['distance'\]"),
        (without_rows, WINDOW, DataError, "flights: the window of a night has rows"),
    ],
)
def test_data_that_cannot_be_used_stops_a_night_in_its_snapshot(
    damaged: Callable[..., Yard], change: Change, days: list[str], error: type[TrainyardError], message: str
) -> None:
    yard = damaged(change, *days)
    with pytest.raises(error, match=message):
        yard.night()
    assert yard.attempts("night") == {"declare": ["step_finished"], "snapshot": [error.__name__]}
    assert yard.unended() == []


def never_late(flights: Any) -> Any:
    return flights.select(*FLIGHTS.learning.target.key, label=(flights.arrival_delay > 1e9).cast("int8"))


def test_a_label_of_one_class_stops_a_night_before_a_trial_is_drawn(make_yard: MakeYard) -> None:
    yard = make_yard()
    project = FLIGHTS.varied(target=replace(FLIGHTS.learning.target, label=never_late))
    yard.grant(project)
    with pytest.raises(DataError, match="both classes of a binary label occur in every stretch"):
        yard.night(project)
    assert yard.attempts("night")["plan"] == ["DataError"]
    assert yard.events(TrialRecorded) == []


def of_no_column(flights: Any) -> Any:
    return flights.select(*FLIGHTS.learning.target.key, altitude=flights.altitude)


def test_a_feature_of_an_unknown_column_stops_a_night_before_it_begins(yard: Yard) -> None:
    project: Project = FLIGHTS.varied(features=(FeatureGroup(name="wrong", build=of_no_column),))
    with pytest.raises(DeclarationError, match=r"of_no_column.*column 'altitude'") as caught:
        steps.begin(yard.platform, project, run_id="night", instant=INSTANT, now=NOW)
    assert "Columns to choose from" in caught.value.remedy
    assert yard.events(RunStarted) == []
    assert [event.error for event in yard.events(StepFailed)] == ["DeclarationError"]
    steps.begin(yard.platform, FLIGHTS, run_id="next", instant=INSTANT, now=NOW)  # it need not wait for a lease


def test_a_full_disk_is_named_heals_and_leaves_no_half_written_artifact(
    yard: Yard, done: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fills up again and again, each time after some more was forced to it."""
    _, undisturbed = done
    failures: list[StoreUnavailable] = []
    for room in itertools.chain((0, 3, 50, 90), itertools.repeat(40)):
        with monkeypatch.context() as patch:
            patch.setattr("include.store.folder.os.fsync", _fsync_with_room_for(room))
            try:
                night = yard.night()
                break
            except StoreUnavailable as error:
                failures.append(error)
        assert [path for path in yard.home.rglob("incoming/*") if path.is_file()] == []
    assert len(failures) > 6
    assert all(error.retry_heals and "No space left on device" in str(error) for error in failures)
    assert night.digests == undisturbed.digests
    assert night.promotion == undisturbed.promotion


def _fsync_with_room_for(count: int) -> Callable[[int], None]:
    room, fsync = iter(range(count)), os.fsync

    def limited(handle: int) -> None:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    return limited


def test_partitions_that_the_vault_lost_are_made_again_by_the_next_night(past: tuple[Yard, Night]) -> None:
    yard, night = past
    taken = yard.platform.load(Snapshot, night.digests["snapshot"])
    built = yard.platform.load(FeatureSet, night.digests["features"])
    lost = [taken.of("flights")[-3].content, built.of("schedule")[5].content, built.of("label")[2].content]
    for content in lost:
        _lose(yard, content)
    again = yard.night(run_id="again")
    assert again.digests == night.digests
    assert all(yard.platform.vault.has(content) for content in lost)
    ended = yard.attempts("again")
    assert (ended["features"], ended["train-0"]) == (["step_reused"], ["step_reused"])


def test_a_ledger_that_is_not_there_is_named_and_nothing_is_made_in_its_place(yard: Yard, tmp_path: Path) -> None:
    settings = replace(yard.settings, ledger=f"sqlite:///{tmp_path / 'unmounted' / 'ledger.db'}")
    with pytest.raises(LedgerUnavailable, match="unmounted"):
        local.open_platform(settings)
    assert not (tmp_path / "unmounted").exists()


def test_a_store_that_is_not_there_stops_the_night_and_is_not_replaced(yard: Yard, tmp_path: Path) -> None:
    settings = replace(yard.settings, store=str(tmp_path / "unmounted" / "store"))
    platform = replace(local.open_platform(settings), code=lambda _: yard.code)
    with pytest.raises(StoreUnavailable, match="unmounted"):
        steps.begin(platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    assert not (tmp_path / "unmounted").exists()
    assert yard.night(run_id="next").promotion.version == 1  # it need not wait for a lease


def test_a_manifest_of_another_version_is_named_with_what_to_do(yard: Yard) -> None:
    digest = yard.platform.keep({"rungs": [1]})
    with pytest.raises(StoreError, match=f"{digest} is no Plan. .*new folder"):
        yard.platform.load(Plan, digest)


def test_an_error_is_recorded_with_the_sentence_that_its_reader_gets(damaged: Callable[..., Yard]) -> None:
    yard = damaged(truncate, DAY)
    with pytest.raises(DataError) as caught:
        yard.night()
    (failed,) = yard.events(StepFailed)
    assert isinstance(failed, StepFailed)
    assert failed.message == str(caught.value)


@pytest.fixture(scope="module")
def two_nights(
    tmp_path_factory: pytest.TempPathFactory, production: Path, finished_night: tuple[Path, Night]
) -> tuple[Path, Night]:
    """The home of a deployment with a night, and later one of the day before it, of which a new plan would learn."""
    home, night = finished_night
    yard = Yard.built(tmp_path_factory.mktemp("two") / "home", production, home)
    yard.night(run_id="earlier", instant=INSTANT - timedelta(days=1))
    yard.platform.ledger.close()
    return yard.home, night


@pytest.mark.parametrize("lost", ["binned", "profile", "model", "bundle"])
def test_what_the_vault_lost_of_a_search_is_made_again_byte_by_byte(
    make_yard: MakeYard, two_nights: tuple[Path, Night], lost: str
) -> None:
    home, night = two_nights
    yard = make_yard(template=home)
    plan = yard.platform.load(Plan, night.digests["plan"])
    content = {
        "binned": plan.binned,
        "profile": plan.profile,
        "model": night.evaluation.model,
        "bundle": night.promotion.bundle,
    }[lost]
    _lose(yard, content)
    again = yard.night(run_id="again")
    assert again.digests == night.digests
    assert again.promotion == night.promotion
    assert yard.platform.vault.has(content)


@pytest.mark.parametrize("lost", ["validation", "report", "plan"])
def test_a_manifest_that_the_store_lost_is_made_again_as_it_was_whatever_was_checked_and_tried_since(
    make_yard: MakeYard, two_nights: tuple[Path, Night], lost: str
) -> None:
    home, night = two_nights
    yard = make_yard(template=home)
    validation = yard.platform.load(Validation, night.digests["validate"])
    digest = {"validation": night.digests["validate"], "report": validation.report, "plan": night.digests["plan"]}[lost]
    taken = yard.platform.load(Snapshot, night.digests["snapshot"])
    event = DataValidated(
        project=FLIGHTS.name,
        run_id="later",
        snapshot="another",
        validation="another",
        expectations=validation.expectations,
        covered=tuple(part.content for part in taken.partitions),
        worst=None,
    )
    yard.platform.ledger.record(f"validated/{FLIGHTS.name}", event)
    Store(yard.settings.store).path(digest).unlink()
    assert yard.night(run_id="again").digests == night.digests
    yard.platform.store.verify(digest)


def test_whatever_was_altered_a_night_that_is_run_again_sets_it_aside_and_ends_as_if_it_had_not_been(
    past: tuple[Yard, Night],
) -> None:
    """All manifests and reports, and of the vault what a night opens: one artifact after another is found altered."""
    yard, night = past
    taken = yard.platform.load(Snapshot, night.digests["snapshot"])
    built = yard.platform.load(FeatureSet, night.digests["features"])
    plan = yard.platform.load(Plan, night.digests["plan"])
    features = built.of("schedule")[3]
    (flights,) = (part for part in taken.of("flights") if part.day == features.day)
    personal = (flights.content, features.content, plan.binned, plan.profile, night.evaluation.model)
    files = [path for path in (yard.home / "store" / "sha256").rglob("*") if path.is_file()]
    for file in (*files, *(_place(yard, content) for content in (*personal, night.promotion.bundle))):
        file.chmod(0o600)
        file.write_bytes(b"altered")
    refused: list[StoreError] = []
    while len(refused) < 20:
        try:
            again = yard.night(run_id="again")
            break
        except StoreError as error:
            refused.append(error)
    assert again.digests == night.digests
    assert again.promotion == night.promotion
    assert len(refused) > 6, "one after another"
    for home, store in (("store", yard.platform.store), ("vault", yard.platform.vault)):
        aside = store.altered()
        assert {(yard.home / home / each.name).read_bytes() for each in aside} == {b"altered"}
        for each in aside:
            store.verify(each.digest)  # made again
    assert {each.digest for each in yard.platform.store.altered()} >= {night.digests["features"], night.digests["plan"]}
    assert {each.digest for each in yard.platform.vault.altered()} >= {plan.binned, night.evaluation.model}


def _place(yard: Yard, content: str) -> Path:
    name = content.removeprefix("sha256:")
    return Path(yard.settings.vault) / "sha256" / name[:2] / name[2:]


def _lose(yard: Yard, content: str) -> None:
    _place(yard, content).unlink()
