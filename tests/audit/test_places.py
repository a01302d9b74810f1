"""Every place of checkpoints keeps what was published there, and says so alike."""

from pathlib import Path

import pytest

from include.audit.checkpoints import LATEST
from include.audit.places import Place, place_at
from include.core.errors import DeclarationError
from tests.audit.signed import House


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The contract suite's place: every test that takes it runs over folders and buckets."""
    if request.param == "folder":
        return place_at(str(tmp_path / "published"))
    return place_at(f"{request.getfixturevalue('s3_url')}/published")


def test_what_is_kept_stays_and_what_is_replaced_does_not(place: Place) -> None:
    assert (place.read("tile/0/000"), place.names("tile/0")) == (None, [])
    place.keep("tile/0/000", b"one")
    place.keep("tile/0/000", b"one")
    with pytest.raises(FileExistsError):
        place.keep("tile/0/000", b"other")
    place.keep("tile/0/x001/000", b"deeper")
    place.replace("checkpoint", b"one")
    place.replace("checkpoint", b"other")
    assert (place.read("tile/0/000"), place.read("checkpoint")) == (b"one", b"other")
    assert [each for each in place.names("tile/0") if not each.startswith("x")] == ["000"]


def test_checkpoints_are_signed_continued_and_verified_there(place: Place, local: House) -> None:
    for count in (3, 300):
        local.record(count)
        signed = local.sign(local.place, place)
        assert place.read(LATEST) == str(signed.note).encode()
    assert local.verified(places=[place]).signed == signed
    assert local.sign(place, local.place) == signed


@pytest.mark.parametrize("address", ["http://example.org/log", "gs://bucket/folder", "file://relative"])
def test_what_is_no_place_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(DeclarationError, match="checkpoints are published in folders and buckets"):
        place_at(address)
