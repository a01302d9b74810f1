"""What a source in a bucket keeps beside the contract of all sources: versions, pages, servers away, credentials."""

import html
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.core.errors import DataError, DeclarationError, SourceUnavailable, TrainyardError
from include.core.records import Days
from include.data.sources import bucket, source_of
from tests import buckets
from tests.data.places import SalesPlace, credentials_file, in_bucket
from tests.data.sales import DAY, sales_contract
from tests.data.test_sources import COLUMNS, HERE, TABLE, WHOLE, parquet
from tests.object_server import ObjectServer

SECRET = "SECRETSECRETSECRET"  # noqa: S105  # none: what must not be shown


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
        if attempt == 1 and change == "rewritten":
            place.put(f"{HERE}a.parquet", new)
            place.put(f"{HERE}b.parquet", new)
        elif attempt == 1:
            place.remove(f"{HERE}b.parquet")

    attempts = _landing(monkeypatch, land)
    held = place.source().load(DAY).read(("items",))["items"].to_pylist()
    assert held == (list(range(20, 40)) * 2 if change == "rewritten" else list(range(20)))
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


def test_a_listing_is_as_narrow_as_the_pattern_lets_it_be(
    own_s3: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much lies beside the days, a slow bucket is asked for no page of it."""
    root = tmp_path / "object-server" / "buckets" / "lake" / "sales"
    days = [date(year, month, day) for year in (2012, 2013) for month in (1, 7, 12) for day in (4, 5)]
    for folder in (f"{day:%Y/%m/%d}" for day in days):
        (root / folder).mkdir(parents=True)
        (root / folder / "part.parquet").touch()
    (root / "tmp" / "2013").mkdir(parents=True)
    for number in range(1_100):
        (root / "tmp" / "2013" / f"{number}.parquet").touch()
    asked: list[str] = []
    pages = bucket.DayPrefix._pages

    def counted(self: bucket.DayPrefix, prefix: str, **words: Any) -> Iterator[dict[str, Any]]:
        for page in pages(self, prefix, **words):
            asked.append(prefix)
            yield page

    monkeypatch.setattr(bucket.DayPrefix, "_pages", counted)
    place = bucket.DayPrefix(
        "sales", "s3://lake/sales/{yyyy}/{mm}/{dd}", credentials_file(tmp_path, own_s3.environment)
    )
    assert sorted(place.folders()) == [f"{day:%Y/%m/%d}" for day in days]
    assert len(asked) == 1 + 2 + 6
    assert not [prefix for prefix in asked if "tmp" in prefix]
    asked.clear()
    assert [file.path.name for file in place._listed("2013/07/04")] == ["part.parquet"]
    assert asked == ["sales/2013/07/04/"]


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


def test_an_endpoint_that_holds_a_password_is_told_without_it(tmp_path: Path, s3_patience: None) -> None:
    signs_in = {"AWS_ENDPOINT_URL": f"http://reader:{SECRET}@127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a"}
    file = credentials_file(tmp_path, {**signs_in, "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"})
    with pytest.raises(SourceUnavailable, match=r"at http://127\.0\.0\.1:9") as raised:
        source_of(sales_contract(location="s3://lake/sales"), Path("/nowhere"), file).load(DAY)
    assert SECRET not in str(raised.value)


def test_credentials_that_end_between_two_days_are_told_and_new_ones_are_taken(
    own: SalesPlace, own_s3: ObjectServer, tmp_path: Path
) -> None:
    source = own.source()
    own_s3.kill()
    own_s3.environment["AWS_SECRET_ACCESS_KEY"] = SECRET
    own_s3.start()
    with pytest.raises(SourceUnavailable, match=r"SignatureDoesNotMatch. Check the credentials.*may list and read"):
        source.load(DAY)
    credentials_file(tmp_path, own_s3.environment, "lake")
    assert own.source().load(DAY).read(COLUMNS).equals(TABLE.select(COLUMNS))


class Unreliable(BaseHTTPRequestHandler):
    """Ends the first two bodies in their middle."""

    answered = 0

    def do_GET(self) -> None:  # the name that the library calls
        Unreliable.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(WHOLE)))
        self.end_headers()
        self.wfile.write(WHOLE if Unreliable.answered > 2 else WHOLE[:100])
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


class Expiring(BaseHTTPRequestHandler):
    """Lists two files of a day, and knows the credentials for one of them."""

    read = 0

    def do_GET(self) -> None:  # the name that the library calls
        listing = "list-type=2" in self.path
        Expiring.read += not listing
        if listing:
            data = Expiring._listing() if "day%3D" in self.path else b"<ListBucketResult/>"
        else:
            data = WHOLE if Expiring.read == 1 else b"<Error><Code>ExpiredToken</Code></Error>"
        self.send_response(200 if listing or Expiring.read == 1 else 400)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    @staticmethod
    def _listing() -> bytes:
        keys = (f"<Contents><Key>sales/{HERE}{name}.parquet</Key><ETag>x</ETag></Contents>" for name in "ab")
        return f"<ListBucketResult>{''.join(keys)}</ListBucketResult>".encode()

    def log_message(self, *_: object) -> None: ...


class Talkative(BaseHTTPRequestHandler):
    """Refuses, and quotes in its answer all that it was sent."""

    def do_GET(self) -> None:  # the name that the library calls
        quoted = html.escape(f"{self.path} {self.headers}")
        told = f"<Error><Code>InvalidRequest</Code><Message>{quoted}</Message></Error>".encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None: ...


class OneFolder(BaseHTTPRequestHandler):
    """Lets nobody list but below `data/sales/`, where nothing lies."""

    def do_GET(self) -> None:  # the name that the library calls
        mine = "prefix=data%2Fsales%2F" in self.path
        told = b"<ListBucketResult/>" if mine else b"<Error><Code>AccessDenied</Code></Error>"
        self.send_response(200 if mine else 403)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[dict[str, str]]:
    """The environment of a server that answers so, and of who signs in there by a secret in every place."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"} | dict.fromkeys(keys, SECRET)
        server.shutdown()


def test_a_body_that_breaks_off_is_asked_for_again(tmp_path: Path) -> None:
    with served(Unreliable) as environment:
        place = bucket.DayPrefix("sales", "s3://lake/sales", credentials_file(tmp_path, environment))
        assert place._bucket.read("sales/part.parquet") == WHOLE
        assert Unreliable.answered == 3


def test_credentials_that_end_between_two_files_of_a_day_give_no_half_of_it(tmp_path: Path) -> None:
    with served(Expiring) as environment:
        source = source_of(
            sales_contract(location="s3://lake/sales"), tmp_path, credentials_file(tmp_path, environment)
        )
        with pytest.raises(SourceUnavailable, match="ExpiredToken") as raised:
            source.load(DAY)
    assert raised.value.retry_heals
    assert Expiring.read >= 2
    assert SECRET not in "".join(_everything(raised.value))


def test_who_may_list_the_folder_of_the_data_alone_reads_it(tmp_path: Path) -> None:
    with served(OneFolder) as environment:
        file = credentials_file(tmp_path, environment)
        assert source_of(sales_contract(location="s3://lake/data/sales"), tmp_path, file).filed() is None
        with pytest.raises(SourceUnavailable, match="AccessDenied"):
            source_of(sales_contract(location="s3://lake/data"), tmp_path, file).filed()


def test_a_bucket_that_is_not_there_is_no_empty_one(s3_bucket: str, credentials: Path) -> None:
    contract = sales_contract(location="s3://nobody-made-this-one/sales")
    for ask in ("is_empty", "filed"):
        with pytest.raises(DataError, match="the bucket of the data is there"):
            getattr(source_of(contract, Path("/nowhere"), credentials), ask)()


# ── credentials ───────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_server_that_quotes_what_it_was_sent_is_not_quoted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with served(Talkative) as environment:
        source = SalesPlace("s3://lake/sales", None, None, credentials_file(tmp_path, environment)).source()  # type: ignore[arg-type]
        with pytest.raises(SourceUnavailable, match="s3://lake/sales: InvalidRequest") as raised:
            source.load(DAY)
    assert SECRET not in "".join([*_everything(raised.value), caplog.text])


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
