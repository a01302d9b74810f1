"""A page in pieces is the same page, and what pages have in common is kept once."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import StoreError
from include.core.records import Days
from include.monitoring import page
from include.monitoring.profile import profile, profile_like
from include.monitoring.report import explain
from include.store import Store
from tests.monitoring.test_report import NOW, THEN, rows

LIBRARY = b"<script>" + b"library " * (page.PIECE_BYTES // 8) + b"</script>"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def size_bytes(store_folder: Path) -> int:
    return sum(file.stat().st_size for file in store_folder.rglob("*") if file.is_file())


@settings(max_examples=20)
@given(before=st.binary(max_size=50), after=st.binary(max_size=50))
def test_a_page_comes_back_byte_by_byte(tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    for html in (before + after, before + LIBRARY + after, LIBRARY + before + LIBRARY + after + b"<script>"):
        assert page.load(store, page.keep(store, html)) == html


def test_a_second_report_of_evidently_adds_a_twentieth_of_a_megabyte_at_most(tmp_path: Path, store: Store) -> None:
    reference = profile(rows(20_000, seed=1), THEN)
    week = Days(first=date(2013, 6, 9), last=date(2013, 6, 15))
    reports = [
        explain([reference], [profile_like(rows(6_000, seed=seed), days, reference)]).html
        for seed, days in ((2, NOW), (3, week))
    ]
    first = page.keep(store, reports[0])
    one = size_bytes(tmp_path / "store")
    second = page.keep(store, reports[1])
    assert one < len(reports[0]) / 3
    assert size_bytes(tmp_path / "store") - one < 50_000
    assert [page.load(store, digest) for digest in (first, second)] == reports


def test_a_page_without_one_of_its_pieces_is_none(tmp_path: Path, store: Store) -> None:
    digest = page.keep(store, LIBRARY)
    largest = max(
        (file for file in (tmp_path / "store").rglob("*") if file.is_file()), key=lambda one: one.stat().st_size
    )
    largest.unlink()
    with pytest.raises(StoreError):
        page.load(store, digest)
