"""Tokens join within a purpose, tell nothing without the key, and keep nulls."""

import hmac
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import AuthorityError
from include.governance import secrets
from include.governance.pseudonyms import Pseudonyms

KEY, OTHER = b"k" * 32, b"o" * 32
WORDS = st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=8), max_size=20)


def tokens(
    values: list[str | None], *, key: bytes = KEY, version: int = 1, purpose: str = "delays"
) -> list[str | None]:
    made: list[str | None] = Pseudonyms(key, version).tokens(pa.array(values, pa.string()), purpose=purpose).to_pylist()
    return made


@given(values=WORDS)
@settings(max_examples=50, deadline=None)
def test_equal_values_have_equal_tokens_different_ones_different_and_null_stays_null(values: list[str | None]) -> None:
    made = tokens(values)
    assert tokens(values) == made
    assert [token is None for token in made] == [value is None for value in values]
    assert len(set(made)) == len(set(values))
    assert all(token is None or (token.startswith("v1.") and len(token) == 29) for token in made)


@given(values=WORDS)
@settings(max_examples=50, deadline=None)
def test_another_purpose_key_or_version_gives_wholly_different_tokens(values: list[str | None]) -> None:
    plain = set(tokens(values)) - {None}
    for other in (tokens(values, purpose="other"), tokens(values, key=OTHER), tokens(values, version=2)):
        assert plain.isdisjoint(other)


@given(values=WORDS)
@settings(max_examples=50, deadline=None)
def test_the_layout_of_the_column_changes_no_token(values: list[str | None]) -> None:
    pseudonyms, column = Pseudonyms(KEY), pa.array(values, pa.string())
    expected = tokens(values)
    half = len(values) // 2
    for layout in (
        column.dictionary_encode(),
        column.cast(pa.large_string()),
        pa.chunked_array([column[:half], column[half:]], pa.string()),
        pa.chunked_array([column[:half].dictionary_encode(), column[half:].dictionary_encode()]),
        pa.concat_arrays([pa.array(["x"]), column])[1:],
    ):
        made = pseudonyms.tokens(layout, purpose="delays")
        assert made.to_pylist() == expected
        assert made.type == pa.string()


def test_a_number_and_its_text_have_one_token() -> None:
    assert Pseudonyms(KEY).tokens(pa.array([7, None]), purpose="delays").to_pylist() == tokens(["7", None])


def test_no_sentinel_can_be_found_in_the_tokens() -> None:
    made = " ".join(str(token) for token in tokens(["SENTINEL-N12345", "SENTINEL-N67890"])).lower()
    assert "sentinel" not in made
    assert "n12345" not in made


def test_the_key_id_tells_keys_and_versions_apart_and_not_the_key() -> None:
    ids = {Pseudonyms(KEY).key_id, Pseudonyms(OTHER).key_id, Pseudonyms(KEY, 2).key_id}
    assert len(ids) == 3
    assert not any(KEY.hex()[:8] in name for name in ids)


def test_a_reader_makes_no_key_and_reads_the_one_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="can be read"):
        Pseudonyms.load(tmp_path / "pseudonyms.key")
    secrets.keep(tmp_path / "pseudonyms.key", secrets.random_key)
    first = Pseudonyms.load(tmp_path / "pseudonyms.key")
    assert Pseudonyms.load(tmp_path / "pseudonyms.key").key_id == first.key_id
    assert (tmp_path / "pseudonyms.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["KEY-SENTINEL", "00" * 31])
def test_a_broken_key_is_refused_without_being_repeated(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pseudonyms.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(AuthorityError, match="32 bytes") as caught:
        Pseudonyms.load(path)
    assert content not in str(caught.value)
    with pytest.raises(AuthorityError, match="32 bytes"):
        Pseudonyms(b"short")


def test_a_value_costs_one_token_however_many_rows_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(hmac, "digest", lambda *given: made.append(given) or bytes(32))
    column = pa.array([f"N{number % 400:05d}" for number in range(30_000)])
    Pseudonyms(KEY).tokens(column, purpose="delays")
    assert len(made) == 400 + 1  # and the key of the purpose
