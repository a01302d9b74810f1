"""What signs in is in no address that is shown."""

import pytest

from include.core.addresses import without_credentials


@pytest.mark.parametrize("signing_in", ["ada:secret@", "secret@", "ada:sec@ret@", "@", ":secret@", "ada:secret@[::1@"])
def test_an_address_is_shown_without_what_signs_in(signing_in: str) -> None:
    for protocol in ("https", "postgresql+psycopg"):
        assert without_credentials(f"{protocol}://{signing_in}db:5432/x?at=a@b") == f"{protocol}://db:5432/x?at=a@b"


@pytest.mark.parametrize(
    "address", ["sqlite:////srv/ledger.db", "https://host/api", "https://host/a@b", "/srv/a@b", ""]
)
def test_an_address_that_signs_nobody_in_is_shown_as_it_is(address: str) -> None:
    assert without_credentials(address) == address
