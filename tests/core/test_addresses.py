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


def test_what_a_query_signs_in_with_is_not_shown_and_the_rest_of_it_is() -> None:
    for name in ("api_key", "access-token", "password", "sslpassword", "X-Amz-Signature", "client_secret", "SIG"):
        for sep in "?&":
            address = f"https://host/a?b=c{sep}{name}=s3cr3t&x=1#end"
            assert without_credentials(address) == f"https://host/a?b=c{sep}{name}=…&x=1#end"
    assert without_credentials("https://host/key=a?b=c#key=d") == "https://host/key=a?b=c#key=d"
