"""The contract of all sources, held by each real one: the same data is the same wherever it lies, or refused alike."""

import io
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import DataError, DeclarationError, SourceUnavailable, TrainyardError
from include.core.records import Contract, Days, last_day
from include.data.sources import Source, bucket, source_of
from tests import buckets
from tests.data.places import SalesPlace, credentials_file, in_bucket, in_folder
from tests.data.sales import DAY, SENTINEL, sales_contract, sales_table
from tests.data.world import INSTANT, World
from tests.object_server import ObjectServer

COLUMNS = ("items", "at", "shop")
KINDS = ("folder", "bucket")
HERE = f"day={DAY}/"


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue()


TABLE = sales_table(40)
WHOLE = parquet(TABLE)
NO_SHOP = parquet(TABLE.drop_columns(["shop"]))
LATE = TABLE.set_column(0, "at", pc.add(TABLE["at"], pa.scalar(timedelta(days=1), pa.duration("us"))))

#: What may lie there, by name: files below the place of the dataset.
CASES: dict[str, dict[str, bytes]] = {
    "a day": {f"{HERE}part.parquet": WHOLE, "day=2013-07-06/part.parquet": WHOLE},
    "files in an order of names": {
        f"{HERE}{name}": parquet(TABLE.slice(place, 10))
        for place, name in ((0, "a-b.parquet"), (10, "a.parquet"), (20, "B.PARQUET"), (30, "é.parquet"))
    },
    "folders that are columns": {
        f"{HERE}shop={name}/part.parquet": NO_SHOP for name in ("a%2Fb%20c", "007", "__HIVE_DEFAULT_PARTITION__", "")
    },
    "what writers leave": {
        f"{HERE}{name}": WHOLE for name in ("_a.parquet", ".b.parquet", "_tmp/c.parquet", "d.parquet")
    }
    | {f"{HERE}_SUCCESS": b"", f"{HERE}readme.txt": b"text", f"{HERE}plain/e.parquet": WHOLE},
    "an undivided table": {"part.parquet": WHOLE},
    "nothing": {},
    "no file of the day": {f"{HERE}_SUCCESS": b""},
    "no such date": {"day=2013-02-30/part.parquet": WHOLE, f"{HERE}part.parquet": WHOLE},
    "no Parquet": {f"{HERE}part.parquet": b"at,shop\n"},
    "an empty file": {f"{HERE}part.parquet": b""},
    "a truncated file": {f"{HERE}part.parquet": WHOLE[:-200]},
    "a damaged page": {f"{HERE}part.parquet": WHOLE[:60] + bytes(each ^ 0xFF for each in WHOLE[60:90]) + WHOLE[90:]},
    "a missing column": {f"{HERE}part.parquet": NO_SHOP},
    "a value that does not fit": {
        f"{HERE}part.parquet": parquet(TABLE.set_column(3, "items", pa.array([2**63 + 11] * 40, pa.uint64())))
    },
    "rows of another day": {f"{HERE}part.parquet": parquet(pa.concat_tables([TABLE, LATE]))},
    "a column in path and file": {f"{HERE}shop=north/part.parquet": WHOLE},
    "a column twice in a path": {f"{HERE}shop=north/shop=south/part.parquet": NO_SHOP},
    "a Delta table": {f"{HERE}part.parquet": WHOLE, "_delta_log/0.json": b"{}"},
    "a Delta table in a day": {f"{HERE}part.parquet": WHOLE, f"{HERE}shop=a/_delta_log/0.json": b"{}"},
    "a Hudi table": {f"{HERE}part.parquet": WHOLE, ".hoodie/hoodie.properties": b"x"},
    "an Iceberg table": {f"{HERE}part.parquet": WHOLE, "metadata/v1.metadata.json": b"{}"},
    "metadata of something else": {f"{HERE}part.parquet": WHOLE, "metadata/readme.json": b"{}"},
}


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return credentials_file(tmp_path_factory.mktemp("reader"), os.environ)


@pytest.fixture(params=KINDS)
def placed(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Mapping[str, bytes]], SalesPlace]:
    """Puts files where a source of the kind finds them."""
    if request.param == "folder":
        return lambda files: in_folder(tmp_path / "sales", files)
    url, credentials = request.getfixturevalue("s3_bucket"), request.getfixturevalue("credentials")
    return lambda files: in_bucket(url, credentials, files)


def outcome(place: SalesPlace, day: date | None = DAY) -> object:
    """All that a source says of what lies at *place*, which is called PLACE in it."""
    source = place.source(partition_column=None if day is None else "at")
    seen = []
    refusals = []
    for ask in (source.is_empty, source.filed, lambda: source.layouts(day), lambda: _read(source, day)):
        try:
            seen.append(ask())
        except TrainyardError as error:
            refusals.append(error)
            seen.append((type(error), str(error).replace(place.location, "PLACE")))
    assert SENTINEL not in "".join(map(str, refusals))
    assert all(error.__suppress_context__ or error.__context__ is None for error in refusals)
    return seen


def _read(source: Source, day: date | None) -> tuple[str, pa.Table, bool]:
    held = source.load(day)
    return held.digest, held.read(COLUMNS), held.holds_nan(("amount",))


@pytest.mark.parametrize("case", CASES)
def test_what_lies_in_a_bucket_is_read_digested_or_refused_as_the_same_files_in_a_folder(
    case: str, tmp_path: Path, s3_bucket: str, credentials: Path
) -> None:
    folder, there = in_folder(tmp_path / "sales", CASES[case]), in_bucket(s3_bucket, credentials, CASES[case])
    assert outcome(there) == outcome(folder)


@pytest.mark.parametrize("case", ["a day", "an undivided table", "nothing", "a Delta table"])
def test_a_table_that_is_not_divided_by_day_is_the_same_in_both_too(
    case: str, tmp_path: Path, s3_bucket: str, credentials: Path
) -> None:
    folder, there = in_folder(tmp_path / "sales", CASES[case]), in_bucket(s3_bucket, credentials, CASES[case])
    assert outcome(there, None) == outcome(folder, None)


SEGMENTS = st.sampled_from(["shop=a", "shop=%2F", "x=1", "_tmp", ".h", "plain", "day=2013-07-05"])
FILES = st.sampled_from(["a.parquet", "a-b.parquet", "B.PARQUET", "_x.parquet", "c.csv", "é.parquet"])
LAYOUTS = st.sets(
    st.builds(lambda parts, name: "/".join([*parts, name]), st.lists(SEGMENTS, max_size=3), FILES), max_size=4
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=LAYOUTS)
def test_however_files_are_laid_out_a_bucket_gives_what_a_folder_gives(
    names: set[str], tmp_path_factory: pytest.TempPathFactory, s3_bucket: str, credentials: Path
) -> None:
    files = {f"{HERE}{name}": parquet(TABLE.slice(place, 1)) for place, name in enumerate(sorted(names))}
    folder = in_folder(tmp_path_factory.mktemp("layout") / "sales", files)
    assert outcome(in_bucket(s3_bucket, credentials, files)) == outcome(folder)


def test_only_the_asked_columns_are_read_in_the_order_asked(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    table = placed(CASES["a day"]).source().load(DAY).read(COLUMNS)
    assert table.equals(TABLE.select(COLUMNS))


def test_the_first_and_last_filed_day_are_told_unless_the_source_repeats(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    place = placed(CASES["a day"])
    assert place.source().filed() == Days(first=DAY, last=date(2013, 7, 6))
    assert place.source(replay_days=364).filed() is None


def test_a_replayed_day_is_the_recorded_one_with_its_times_moved(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    source = placed({f"{HERE}part.parquet": WHOLE}).source(replay_days=364)
    later, recorded = source.load(DAY + timedelta(days=364)), source.load(DAY)
    assert later.digest == recorded.digest
    moved = pc.add(recorded.read(("at",))["at"], pa.scalar(timedelta(days=364), pa.duration("us")))
    assert later.read(("at",))["at"].equals(moved)


def test_what_was_digested_is_read_whatever_lies_there_by_then(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    place = placed({f"{HERE}part.parquet": WHOLE})
    held = place.source().load(DAY)
    place.put(f"{HERE}part.parquet", b"other bytes, landed meanwhile")
    assert held.read(COLUMNS).equals(TABLE.select(COLUMNS))
    place.remove(f"{HERE}part.parquet")
    with pytest.raises(DataError, match="the source holds a Parquet file"):
        place.source().load(DAY)


# ── a bucket ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _landing(monkeypatch: pytest.MonkeyPatch, land: Callable[[int], object]) -> list[int]:
    """Between listing a day and reading it, *land*; the attempts so far."""
    attempts: list[int] = []
    listed = bucket.DayPrefix._listed

    def then_land(self: bucket.DayPrefix, folder: str) -> object:
        found = listed(self, folder)
        attempts.append(len(attempts))
        land(len(attempts))
        return found

    monkeypatch.setattr(bucket.DayPrefix, "_listed", then_land)
    return attempts


@pytest.mark.parametrize("change", ["rewritten", "removed"])
def test_a_day_that_is_rewritten_while_it_is_read_is_read_as_a_whole_of_one_moment(
    change: str, s3_bucket: str, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = parquet(TABLE.slice(0, 20)), parquet(TABLE.slice(20))
    place = in_bucket(s3_bucket, credentials, {f"{HERE}a.parquet": old, f"{HERE}b.parquet": old})

    def land(attempt: int) -> None:
        if attempt == 1:
            place.put(f"{HERE}a.parquet", new)
            place.remove(f"{HERE}b.parquet") if change == "removed" else place.put(f"{HERE}b.parquet", new)

    attempts = _landing(monkeypatch, land)
    held = place.source().load(DAY).read(("items",))["items"].to_pylist()
    assert held == list(range(20, 40)) * (1 if change == "removed" else 2)
    assert len(attempts) == 2


def test_a_day_that_never_rests_is_given_up_with_what_to_do_and_heals(
    s3_bucket: str, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = in_bucket(s3_bucket, credentials, {f"{HERE}a.parquet": WHOLE})
    attempts = _landing(monkeypatch, lambda attempt: place.put(f"{HERE}a.parquet", WHOLE + bytes([attempt])))
    with pytest.raises(SourceUnavailable, match=r"stay as they are.*landed as a whole"):
        place.source().load(DAY)
    assert len(attempts) == 3


def test_more_keys_than_a_page_holds_are_all_listed(
    own_s3: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps objects as files, so that they can be laid there faster than they can be put."""
    root = tmp_path / "object-server" / "buckets" / "lake" / "sales"
    for number in range(1_001):
        day = root / f"day={DAY + timedelta(days=number)}"
        day.mkdir(parents=True)
        (day / "part.parquet").touch()
        (root / HERE).joinpath(f"{number:04}.parquet").touch()
    credentials = credentials_file(tmp_path, own_s3.environment)
    source = SalesPlace("s3://lake/sales", None, None, credentials).source()  # type: ignore[arg-type]
    assert source.filed() == Days(first=DAY, last=DAY + timedelta(days=1_000))
    assert len(bucket.DayPrefix("sales", "s3://lake/sales", credentials)._listed(HERE.rstrip("/"))) == 1_002


def test_of_a_large_file_only_the_footer_is_read_for_the_names_of_its_columns(
    s3_bucket: str, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = pa.table({name: pa.array(range(40_000)) for name in ("at", "shop", "amount", "items")})
    place = in_bucket(s3_bucket, credentials, {f"{HERE}a.parquet": parquet(large)})
    read: list[int] = []
    whole = bucket.DayPrefix._bytes

    def counted(self: bucket.DayPrefix, file: Any, **part: str) -> bytes:
        data = whole(self, file, **part)
        read.append(len(data))
        return data

    monkeypatch.setattr(bucket.DayPrefix, "_bytes", counted)
    assert place.source().layouts(DAY) == {("at", "shop", "amount", "items")}
    monkeypatch.setattr(bucket, "_FOOTER_BYTES", 16)
    assert place.source().layouts(DAY) == {("at", "shop", "amount", "items")}
    assert read == [1 << 16, 16, len(parquet(large))]


@pytest.fixture
def own(own_s3: ObjectServer, tmp_path: Path) -> Iterator[SalesPlace]:
    """A day of sales in a server that may be killed."""
    buckets.client().create_bucket(Bucket="lake")
    return in_bucket("s3://lake", credentials_file(tmp_path, own_s3.environment, "lake"), {f"{HERE}a.parquet": WHOLE})


def test_a_server_that_comes_back_while_it_is_tried_again_is_waited_for(own: SalesPlace, own_s3: ObjectServer) -> None:
    source = own.source()
    digest = source.load(DAY).digest
    own_s3.kill()
    threading.Timer(0.3, own_s3.start).start()
    assert source.load(DAY).digest == digest


def test_a_server_that_stays_away_is_named_and_what_to_do_and_is_read_when_it_is_back(
    own: SalesPlace, own_s3: ObjectServer, s3_patience: None
) -> None:
    source = own.source()
    own_s3.kill()
    for ask in (source.filed, lambda: source.load(DAY)):
        with pytest.raises(
            SourceUnavailable, match=r"EndpointConnectionError at http.*reachable, then retry"
        ) as raised:
            ask()
        assert raised.value.retry_heals
    own_s3.start()
    assert own.source().load(DAY).read(COLUMNS).equals(TABLE.select(COLUMNS))


def test_a_bucket_that_is_not_there_is_no_empty_one(s3_bucket: str, credentials: Path) -> None:
    contract = sales_contract(location="s3://nobody-made-this-one/sales")
    for ask in ("is_empty", "filed"):
        with pytest.raises(DataError, match="the bucket of the data is there"):
            getattr(source_of(contract, Path("/nowhere"), credentials), ask)()


def test_a_dataset_that_moves_to_a_bucket_gives_the_same_snapshot_and_no_record_holds_what_signs_in(
    tmp_path: Path, production: Path, contracts: dict[str, Contract], s3_bucket: str, credentials: Path
) -> None:
    lake = f"{s3_bucket}/{uuid.uuid4().hex}"
    moved = {name: replace(contract, location=f"{lake}/{name}") for name, contract in contracts.items()}
    last = last_day(INSTANT)
    days = [f"weather/day={last - timedelta(days=back)}" for back in range(3)]
    for file in (file for folder in (*days, "planes") for file in (production / folder).glob("*.parquet")):
        key = f"{lake.removeprefix(s3_bucket)[1:]}/{file.relative_to(production)}"
        buckets.client().put_object(Bucket=s3_bucket.removeprefix("s3://"), Key=key, Body=file.read_bytes())
    taken = []
    for name, held, file in (("folder", contracts, None), ("bucket", moved, credentials)):
        (tmp_path / name).mkdir()
        world = World(
            tmp_path / name, production, held, datasets=("weather", "planes"), window_days=3, credentials=file
        )
        taken.append(world.take())
    assert taken[0] == taken[1]
    assert len(taken[1].partitions) == 4
    recorded = b"".join(file.read_bytes() for file in (tmp_path / "bucket").rglob("*") if file.is_file())
    assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in recorded


# ── credentials ───────────────────────────────────────────────────────────────────────────────────────────────────────

SECRET = "SECRETSECRETSECRET"  # noqa: S105  # none: what must not be shown


def _everything(error: BaseException | None) -> Iterator[str]:
    """All texts of an error and of what it came from, and of what its frames hold in sight of a reporter."""
    import traceback

    while error is not None:
        yield "".join(traceback.format_exception(error))
        yield repr(error)
        error = error.__cause__


@pytest.mark.parametrize("wrong", ["secret", "key"])
def test_what_signs_in_is_in_no_error_log_or_representation(
    wrong: str, s3_bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    given = {"aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": SECRET}
    if wrong == "key":
        given = {"aws_access_key_id": SECRET, "aws_secret_access_key": SECRET}
    file = credentials_file(tmp_path, {**os.environ, **{name.upper(): value for name, value in given.items()}})
    source = SalesPlace(f"{s3_bucket}/sales", None, None, file).source()  # type: ignore[arg-type]
    with pytest.raises(SourceUnavailable, match=r"SignatureDoesNotMatch|InvalidAccessKeyId|UserNotFound") as raised:
        source.load(DAY)
    shown = [*_everything(raised.value), repr(source), repr(vars(source)), caplog.text, *capfd.readouterr()]
    assert SECRET not in "".join(shown)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"[default]\naws_secret_access_key {SECRET}\n", "no file of sections"),
        (f"aws_secret_access_key = {SECRET}\n", "no file of sections"),
        (f"[other]\naws_secret_access_key = {SECRET}\n", "no such section"),
        (f"[lake]\nsecret = {SECRET}\n", r"\['secret'\] in \[lake\]"),
        (f"[lake]\naws_access_key_id = {SECRET}\naws_secret_access_key = %(x)s\naws_access_key_id = 1", "no file of"),
    ],
)
def test_a_file_of_credentials_that_cannot_be_used_is_refused_without_being_quoted(
    text: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "sources.ini"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(DeclarationError, match=told) as raised:
        source_of(sales_contract(location="s3://lake/sales"), tmp_path, file)
    assert SECRET not in "".join(_everything(raised.value))


def test_credentials_that_others_may_read_are_not_used(tmp_path: Path) -> None:
    file = credentials_file(tmp_path, {"AWS_ACCESS_KEY_ID": "x"})
    file.chmod(0o640)
    with pytest.raises(TrainyardError, match="a secret is its owner's alone"):
        source_of(sales_contract(location="s3://lake/sales"), tmp_path, file)


def test_a_bucket_is_never_read_with_whatever_credentials_are_at_hand(s3_bucket: str, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="TRAINYARD_SOURCE_CREDENTIALS_FILE"):
        source_of(sales_contract(location=f"{s3_bucket}/sales"), tmp_path)


def test_the_stores_endpoint_is_not_taken_for_that_of_a_source_with_keys_of_its_own(
    s3_bucket: str, tmp_path: Path
) -> None:
    file = credentials_file(
        tmp_path, {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    )
    place = bucket.DayPrefix("sales", f"{s3_bucket}/sales", file)
    place._bucket._files.connect()
    assert os.environ["AWS_ENDPOINT_URL"] not in place._bucket._endpoint()
