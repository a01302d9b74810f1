"""An envelope holds exactly what our key signed, in one spelling; and a private key is its owner's alone."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import AuthorityError
from include.governance.signing import Signer, Verifier, create_key

TYPE = "application/vnd.test+json"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    path = tmp_path_factory.mktemp("keys") / "key"
    create_key(path)
    return Signer.load(path)


@given(payload=st.binary(max_size=100), kind=st.text(max_size=20))
@settings(max_examples=50, deadline=None)
def test_what_was_signed_comes_back_and_equal_payloads_give_equal_envelopes(
    signer: Signer, payload: bytes, kind: str
) -> None:
    envelope = signer.sign(kind, payload)
    assert signer.verifier.verify(envelope, kind) == payload
    assert signer.sign(kind, payload) == envelope


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_an_envelope_with_any_character_changed_added_or_taken_away_does_not_verify(
    signer: Signer, data: st.DataObject
) -> None:
    envelope = signer.sign(TYPE, b'{"columns":["distance"]}')
    position = data.draw(st.integers(0, len(envelope) - 1))
    inserted = data.draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=2))
    altered = envelope[:position] + inserted + envelope[position + data.draw(st.integers(0, 1)) :]
    if altered != envelope:
        with pytest.raises(AuthorityError):
            signer.verifier.verify(altered, TYPE)


@given(
    text=st.text(max_size=40)
    | st.sampled_from(["[]", "null", "{}", '{"payload":1,"payloadType":2,"signatures":3}', "[" * 5_000])
)
@settings(max_examples=50, deadline=None)
def test_what_is_no_envelope_does_not_verify(signer: Signer, text: str) -> None:
    with pytest.raises(AuthorityError):
        signer.verifier.verify(text, TYPE)


def test_an_envelope_without_signatures_does_not_verify(signer: Signer) -> None:
    parsed = json.loads(signer.sign(TYPE, b"x"))
    parsed["signatures"] = []
    with pytest.raises(AuthorityError):
        signer.verifier.verify(json.dumps(parsed, sort_keys=True, separators=(",", ":")), TYPE)


def test_an_envelope_of_another_type_or_another_key_does_not_verify(signer: Signer, tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    envelope = Signer.load(tmp_path / "key").sign(TYPE, b"x")
    with pytest.raises(AuthorityError, match="another key"):
        signer.verifier.verify(envelope, TYPE)
    with pytest.raises(AuthorityError, match="another type"):
        signer.verifier.verify(signer.sign(TYPE, b"x"), "application/other")


def test_a_key_is_made_once_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "authority.key"
    create_key(path)
    first = path.read_bytes()
    create_key(path)
    assert path.read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["authority.key"]


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(AuthorityError, match="chmod 600"):
        Signer.load(tmp_path / "key")


def test_the_published_key_verifies_and_is_never_replaced_by_another(signer: Signer, tmp_path: Path) -> None:
    public = tmp_path / "authority.pub"
    signer.publish(public)
    signer.publish(public)
    assert Verifier.load(public).verify(signer.sign(TYPE, b"x"), TYPE) == b"x"
    create_key(tmp_path / "other")
    with pytest.raises(AuthorityError, match="another key"):
        Signer.load(tmp_path / "other").publish(public)


@pytest.mark.parametrize(
    "content", [b"", b"PRIVATE-SENTINEL", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_key_file_is_named_without_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    for load in (Signer.load, Verifier.load):
        with pytest.raises(AuthorityError, match=str(path)) as caught:
            load(path)
        assert "SENTINEL" not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    for load in (Signer.load, Verifier.load):
        with pytest.raises(AuthorityError, match="nothing"):
            load(tmp_path / "nothing")


def test_a_signer_does_not_show_its_key(tmp_path: Path) -> None:
    create_key(tmp_path / "key")
    lines = (tmp_path / "key").read_text().splitlines()[1:-1]
    shown = repr(Signer.load(tmp_path / "key")) + str(vars(Signer.load(tmp_path / "key")))
    assert not any(line in shown for line in lines)
