"""The store's contract, over a local folder, fsspec URLs and a real object store."""

import hashlib
import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.canonical import digest_of
from include.core.errors import StoreError, StoreUnavailable
from include.store import Store
from include.store.bucket import Bucket
from include.store.folder import Folder
from tests import buckets
from tests.ledger.processes import (
    around_system_calls,
    die_at,
    die_when_a_file_grows_to,
    fail_when_a_file_grows_to,
    in_child,
    start,
    wait,
)

UNKNOWN = f"sha256:{'0' * 64}"
BIG = bytes(range(256)) * 20_000  # over four chunks


@pytest.fixture(params=["folder", "file", "memory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return Store(f"{request.getfixturevalue('s3_url')}/artifacts", cache=tmp_path / "cache")
    if request.param == "memory":
        return Store(f"memory://{uuid.uuid4().hex}/artifacts", cache=tmp_path / "cache")
    return Store(tmp_path / "store" if request.param == "folder" else f"file://{tmp_path}/store")


@given(data=st.binary(max_size=200))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_put_is_got_back_under_its_digest(store: Store, data: bytes) -> None:
    digest = store.put(data)
    assert digest == digest_of(data)
    assert store.put(data) == digest
    assert store.get(digest) == data
    assert store.has(digest)
    assert store.size_bytes(digest) == len(data)
    assert store.path(digest).read_bytes() == data


def test_what_is_removed_is_nowhere_any_more_and_may_be_kept_again(store: Store, tmp_path: Path) -> None:
    digest, other = store.put(b"removed"), store.put(b"kept")
    store.path(digest)
    for _ in range(2):  # nothing happens where it is not there
        store.remove(digest)
        assert not store.has(digest)
        with pytest.raises(StoreError):
            store.path(digest)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.read_bytes() == b"removed"]
    assert store.get(other) == b"kept"
    assert store.put(b"removed") == digest
    assert store.get(digest) == b"removed"


def test_what_is_under_way_is_replaced_whole_read_back_and_removed_and_is_no_artifact(
    store: Store, tmp_path: Path
) -> None:
    assert store.working(UNKNOWN) is None
    for data in (b"first", BIG, b""):
        store.keep_working(UNKNOWN, data)
        assert store.working(UNKNOWN) == data
        assert not store.has(UNKNOWN)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) <= 1, "nothing of before is left"
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o007 == 0 for file in files), "it may hold personal data"
    for _ in range(2):  # nothing happens where it is not there
        store.remove_working(UNKNOWN)
        assert store.working(UNKNOWN) is None
    for name in ("", "../altered/x", "sha256:" + "A" * 64):
        with pytest.raises(StoreError, match="named by its digest"):
            store.keep_working(name, b"elsewhere")


def test_what_nobody_took_up_again_is_cleared_and_what_was_written_since_stays(store: Store) -> None:
    assert store.clear_working(unused_since=datetime.now(UTC)) == 0
    artifact = store.put(b"an artifact")
    store.keep_working(UNKNOWN, b"left")
    assert store.clear_working(unused_since=datetime.now(UTC) - timedelta(minutes=5)) == 0
    assert store.working(UNKNOWN) == b"left"
    assert store.clear_working(unused_since=datetime.now(UTC) + timedelta(minutes=5)) == 1
    assert store.working(UNKNOWN) is None
    assert store.has(artifact)


def test_a_file_is_kept_under_the_digest_of_its_bytes(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)
    digest = store.put_file(source)
    source.unlink()
    assert digest == digest_of(BIG) == store.put(BIG)
    assert store.get(digest) == BIG
    assert store.path(digest).read_bytes() == BIG


def test_a_file_that_is_made_in_place_is_kept_under_the_digest_of_its_bytes(store: Store) -> None:
    made: list[Path] = []

    def write(path: Path) -> None:
        assert not path.exists()
        path.write_bytes(BIG)
        made.append(path)

    assert store.put_made(write) == store.put_made(write) == digest_of(BIG)
    assert store.get(digest_of(BIG)) == store.path(digest_of(BIG)).read_bytes() == BIG
    assert not any(path.exists() for path in made)


def test_a_file_whose_making_fails_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(BIG)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.put_made(write)
    assert files_in(tmp_path) == []


def test_what_is_not_there_is_said_to_be_missing(store: Store, tmp_path: Path) -> None:
    assert not store.has(UNKNOWN)
    for read in (store.get, store.path, store.size_bytes):
        with pytest.raises(StoreError, match="is in the store") as raised:
            read(UNKNOWN)
        assert not raised.value.retry_heals
    with pytest.raises(StoreError, match="can be read"):
        store.put_file(tmp_path / "nowhere")


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", f"md5:{'0' * 64}", f"sha256:{'A' * 64}"])
def test_only_digests_name_artifacts(store: Store, digest: str) -> None:
    for read in (store.get, store.path, store.has, store.size_bytes):
        with pytest.raises(StoreError, match="named by its digest"):
            read(digest)


def alter(store: Store, digest: str, data: bytes) -> None:
    """Alter what the store keeps; what another machine's cache holds of it is not at hand."""
    shelf = store._shelf
    if store._cache is not None:
        store._cache.place(digest).unlink(missing_ok=True)
    if isinstance(shelf, Bucket):
        buckets.client().put_object(Bucket=shelf._bucket, Key=shelf._key(digest), Body=data)
    elif isinstance(shelf, Folder):
        place = shelf.place(digest)
        place.chmod(0o600)
        place.write_bytes(data)
    else:
        shelf.write(digest, data)


@pytest.mark.parametrize("altered", [b"other", b"dat", b"data and more", b""])
def test_altered_bytes_are_set_aside_by_who_reads_them_and_missing_until_the_right_ones_are_put(
    store: Store, altered: bytes
) -> None:
    digest = digest_of(b"data")
    for read in (store.get, store.path, store.verify):
        store.put(b"data")
        alter(store, digest, altered)
        with pytest.raises(StoreError, match="was altered, and is set aside as altered/") as raised:
            read(digest)
        assert not raised.value.retry_heals
        assert not store.has(digest)
        for again in (store.get, store.path, store.verify, store.size_bytes):
            with pytest.raises(StoreError, match="an artifact is in the store"):
                again(digest)
    assert store.put(b"data") == digest
    store.verify(digest)
    assert store.get(digest) == store.path(digest).read_bytes() == b"data"
    assert [(each.digest, kept_aside(store, each.name)) for each in store.altered()] == [(digest, altered)] * 3


def kept_aside(store: Store, name: str) -> bytes:
    """What lies in the store under the *name* that is no digest."""
    shelf = store._shelf
    if isinstance(shelf, Folder):
        return (shelf._root / name).read_bytes()
    return bytes(shelf._files.cat_file(f"{shelf._root}/{name}"))


def test_altered_bytes_that_nobody_read_are_set_aside_and_not_overwritten(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)
    digest = store.put(BIG)
    for keep in (
        lambda: store.put(BIG),
        lambda: store.put_file(source),
        lambda: store.put_made(lambda path: path.hardlink_to(source)),
    ):
        alter(store, digest, b"other")
        assert keep() == digest
        assert store.get(digest) == BIG
        assert [kept_aside(store, each.name) for each in store.altered()][-1] == b"other"
    assert len(store.altered()) == 3


def test_what_is_set_aside_says_when_and_is_not_taken_for_an_artifact(store: Store) -> None:
    began = datetime.now(UTC)
    digest = store.put(b"data")
    assert store.altered() == ()
    alter(store, digest, b"other")
    with pytest.raises(StoreError):
        store.get(digest)
    (aside,) = store.altered()
    assert began <= aside.found_at <= datetime.now(UTC)
    assert not store.has(digest_of(b"other"))


def test_the_right_bytes_are_never_set_aside_though_a_read_of_them_was_disturbed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.put(b"data")
    with monkeypatch.context() as patch:
        patch.setattr(type(store._shelf), "read", lambda *_: b"disturbed")
        with pytest.raises(StoreUnavailable, match="read otherwise than it lies there") as raised:
            store.get(digest)
    assert raised.value.retry_heals
    assert store.get(digest) == b"data"
    assert store.altered() == ()


def test_right_bytes_that_another_writer_puts_meanwhile_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    digest = store.put(b"data")
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "holds", lambda *_: False)  # what lay there before was altered
        assert store._shelf.set_aside(digest) is None
    assert store.get(digest) == b"data"
    assert store.altered() == ()


def test_what_cannot_be_set_aside_is_refused_all_the_same_and_says_why(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = store.put(b"data")
    alter(store, digest, b"other")
    (tmp_path / "store" / "altered").write_text("no folder")
    for read in (store.get, store.path):
        with pytest.raises(StoreError, match=r"was altered, and cannot be set aside: .*File exists"):
            read(digest)


def test_a_kill_before_or_after_any_system_call_of_setting_aside_keeps_what_was_altered_once(tmp_path: Path) -> None:
    for point in itertools.count(1, 2):
        root = tmp_path / f"store_{point}"
        digest = Store(root).put(b"data")
        alter(Store(root), digest, b"other")

        def work(root: Path = root, digest: str = digest, point: int = point) -> None:
            store = Store(root)
            die_at(point, around_system_calls)
            with pytest.raises(StoreError):
                store.get(digest)

        status = in_child(work)
        assert [path.read_bytes() for path in files_in(root)] == [b"other"]
        with pytest.raises(StoreError):  # altered, or missing by now
            Store(root).get(digest)
        assert Store(root).put(b"data") == digest
        assert sorted(path.read_bytes() for path in files_in(root)) == [b"data", b"other"]
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert point > 6


def test_a_spoilt_cache_is_filled_again(tmp_path: Path) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")
    digest = store.put(b"data")
    path = store.path(digest)
    path.chmod(0o600)
    path.write_bytes(b"spoilt")
    assert store.path(digest).read_bytes() == b"data"


def test_what_nobody_reads_leaves_the_cache_and_is_fetched_again(tmp_path: Path) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")
    unread, read = store.put(b"unread"), store.put(b"read")
    begun = store.path(unread).open("rb")
    for digest in (unread, read):
        os.utime(store.path(digest), (0, 0))
    store.path(read)
    now = datetime.now(UTC)
    assert store.trim_cache(unused_since=now - timedelta(days=1)) == 1
    assert [file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file()] == [b"read"]
    assert begun.read() == b"unread", "a reader that has it open reads on"
    begun.close()
    assert store.path(unread).read_bytes() == b"unread"
    assert store.trim_cache(unused_since=now - timedelta(days=1)) == 0


def test_a_local_store_has_no_cache_to_trim(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", cache=tmp_path / "cache")
    digest = store.put(b"kept")
    assert store.trim_cache(unused_since=datetime.now(UTC) + timedelta(days=1)) == 0
    assert store.get(digest) == b"kept"


def test_a_remote_store_without_a_cache_gives_no_local_path() -> None:
    store = Store(f"memory://{uuid.uuid4().hex}")
    with pytest.raises(StoreError, match="needs a cache"):
        store.path(store.put(b"data"))
    with pytest.raises(StoreError, match="needs a cache"):
        store.put_made(lambda path: path.touch())


def test_a_local_artifact_lies_at_a_path_made_of_its_digest_and_only_owner_and_group_may_read_it(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    name = hashlib.sha256(b"data").hexdigest()
    path = store.path(store.put(b"data"))
    assert path == tmp_path / "store" / "sha256" / name[:2] / name[2:]
    assert path.stat().st_mode & 0o777 == 0o440


def test_a_file_address_without_an_absolute_path_is_refused() -> None:
    with pytest.raises(StoreError, match="absolute path"):
        Store("file://here/store")


@pytest.mark.parametrize("url", ["ftp://host/folder", "http://host/x", "nonsense://x", "gs://bucket/x", "abfs://box/x"])
def test_a_store_whose_writes_are_not_atomic_or_that_nothing_here_speaks_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="local folder or an object store"):
        Store(url)


def test_a_store_whose_disk_is_not_mounted_is_unavailable_and_not_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "disk" / "store")
    with pytest.raises(StoreUnavailable, match="can be reached") as raised:
        store.put(b"data")
    assert raised.value.retry_heals
    assert not list(tmp_path.iterdir())


def test_a_store_below_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(StoreUnavailable):
        store.put(b"data")
    for read in (store.get, store.path, store.has, store.size_bytes):
        with pytest.raises(StoreUnavailable):
            read(UNKNOWN)


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size_bytes", [0, 1, 4096, 1_000_000, len(BIG) - 1])
def test_on_a_full_disk_nothing_is_left_and_a_retry_succeeds(tmp_path: Path, size_bytes: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)

    def fill() -> None:
        store = Store(tmp_path / "store")
        fail_when_a_file_grows_to(size_bytes)
        with pytest.raises(StoreUnavailable, match="not full"):
            store.put(BIG)
        with pytest.raises(StoreUnavailable, match="not full"):
            store.put_file(source)

    assert in_child(fill) == 0
    assert files_in(tmp_path / "store") == []
    assert Store(tmp_path / "store").put(BIG) == digest_of(BIG)


def test_many_writers_of_the_same_bytes_leave_one_artifact(tmp_path: Path) -> None:
    def work() -> None:
        store = Store(tmp_path / "store")
        threads = [threading.Thread(target=store.put, args=(BIG,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.get(digest_of(BIG)) == BIG

    assert [wait(child) for child in [start(work) for _ in range(3)]] == [0] * 3
    assert len(files_in(tmp_path / "store")) == 1


def whole_or_absent(root: Path, source: Path) -> None:
    """Look as the next process would, retry, and look again."""
    store = Store(root)
    digest = digest_of(BIG)
    if store.has(digest):
        assert store.get(digest) == BIG
    assert store.put_file(source) == digest
    assert store.get(digest) == BIG


@pytest.mark.parametrize("how", ["bytes", "file"])
def test_a_kill_before_or_after_any_system_call_of_a_write_leaves_it_whole_or_absent(tmp_path: Path, how: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)
    for point in itertools.count(1, 2):
        root = tmp_path / f"store_{point}"

        def work(root: Path = root, point: int = point) -> None:
            store = Store(root)
            put: Callable[[], object] = (lambda: store.put(BIG)) if how == "bytes" else (lambda: store.put_file(source))
            die_at(point, around_system_calls)
            put()

        status = in_child(work)
        whole_or_absent(root, source)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert point > 20


@pytest.mark.parametrize("size_bytes", [0, 1, 4096, 1_048_576, 1_048_577, len(BIG) - 1])
def test_a_kill_in_the_middle_of_a_write_leaves_nothing_under_the_digest(tmp_path: Path, size_bytes: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)

    def work() -> None:
        die_when_a_file_grows_to(size_bytes)
        Store(tmp_path / "store").put_file(source)

    assert in_child(work) == -signal.SIGXFSZ
    assert not Store(tmp_path / "store").has(digest_of(BIG))
    whole_or_absent(tmp_path / "store", source)


def test_a_kill_while_a_file_is_made_leaves_it_nowhere_but_in_the_store(tmp_path: Path) -> None:
    def work() -> None:
        def write(path: Path) -> None:
            path.write_bytes(BIG)
            os.kill(os.getpid(), signal.SIGKILL)

        os.environ["TMPDIR"] = str(tmp_path)
        os.umask(0o022)
        Store(tmp_path / "store").put_made(write)

    assert in_child(work) == -signal.SIGKILL
    (left,) = files_in(tmp_path)
    assert left.parent == tmp_path / "store" / "incoming"
    assert [mode_of(folder) for folder in (left.parent, left.parent.parent)] == [0o700, 0o700]
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    whole_or_absent(tmp_path / "store", _source(tmp_path))
    assert not left.exists()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_lies_aside_in_a_store_of_an_earlier_release_is_closed_to_others(tmp_path: Path) -> None:
    incoming = tmp_path / "store" / "incoming"
    incoming.mkdir(parents=True)
    for folder in (incoming.parent, incoming):
        folder.chmod(0o755)
    Store(tmp_path / "store").put_made(Path.touch)
    assert mode_of(incoming) == 0o700
    assert mode_of(incoming.parent) == 0o755, "who may enter a folder that was there is its owner's to say"


def _source(folder: Path) -> Path:
    path = folder / "source"
    path.write_bytes(BIG)
    return path


def test_what_a_killed_writer_left_is_cleared_a_day_later(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.put(b"data")
    old, new = (tmp_path / "store" / "incoming" / name for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    store.put(b"more")
    assert not old.exists()
    assert new.exists()


def test_a_workspace_is_closed_to_others_and_gone_afterwards_whatever_lies_in_it(store: Store, tmp_path: Path) -> None:
    with store.workspace() as place:
        (place / "within").mkdir()
        (place / "within" / "rows").write_bytes(b"rows")
        assert tmp_path in place.parents
        assert mode_of(place.parent) == mode_of(place) == 0o700
        assert store.get(store.put(b"beside")) == b"beside"
    assert not place.exists()
    with pytest.raises(KeyError), store.workspace() as place:
        raise KeyError
    assert not place.exists()


def test_a_workspace_that_a_killed_process_left_is_cleared_a_day_later_and_one_in_use_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.workspace() as used:
        left = used.with_name("left")
        left.mkdir()
        (left / "rows").write_bytes(b"rows")
        yesterday = time.time() - 25 * 3600
        for place in (used, left):
            os.utime(place, (yesterday, yesterday))
        store.put(b"data")
        assert used.exists()
        assert left.exists()
    store.put(b"more")
    assert not left.exists()


def test_no_clock_however_far_ahead_takes_away_what_another_writer_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + 2 * 86_400
    monkeypatch.setattr("include.store.folder.time.time", lambda: ahead)
    written, other = Folder(tmp_path / "store"), Folder(tmp_path / "store")

    def parts() -> Iterator[bytes]:
        yield b"da"
        other.write(digest_of(b"more"), b"more")
        yield b"ta"

    def write(path: Path) -> None:
        path.write_bytes(b"made")
        other.write(digest_of(b"most"), b"most")

    written.write_from(digest_of(b"data"), parts(), origin="here")
    assert written.read(digest_of(b"data")) == b"data"
    assert written.read(written.write_made(write)) == b"made"
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_a_local_store_is_used_without_importing_fsspec(tmp_path: Path) -> None:
    program = (
        "import sys; from include.store import Store; "
        "Store(sys.argv[1]).put(b'data'); "
        "assert 'fsspec' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "store")], check=True)
