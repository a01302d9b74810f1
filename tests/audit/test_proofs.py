"""What a verifier checks: the published vectors hold, and nothing that differs from a proof or a note does."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from include.audit.proofs import (
    COSIGNATURE,
    SIGNATURE,
    Checkpoint,
    Key,
    Note,
    ProofError,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.audit import reference

GOLDEN = Path(__file__).parent / "golden"
TREE: dict[str, Any] = json.loads((GOLDEN / "rfc6962.json").read_text())
NOTES: dict[str, Any] = json.loads((GOLDEN / "notes.json").read_text())
LEAVES = [leaf_hash(bytes.fromhex(each)) for each in TREE["leaves"]]
ROOTS = [bytes.fromhex(each) for each in TREE["roots"]]


def hashes(proof: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in proof]


def test_the_published_roots_are_those_of_the_published_leaves() -> None:
    assert [reference.root(LEAVES[:size]) for size in range(9)] == ROOTS


@pytest.mark.parametrize("given", TREE["inclusion"])
def test_a_published_inclusion_proof_holds(given: dict[str, Any]) -> None:
    index, size = given["index"], given["size"]
    assert reference.path(index, LEAVES[:size]) == hashes(given["proof"])
    verify_inclusion(LEAVES[index], index, size, hashes(given["proof"]), ROOTS[size])


@pytest.mark.parametrize("given", TREE["consistency"])
def test_a_published_consistency_proof_holds(given: dict[str, Any]) -> None:
    old, new = given["old"], given["new"]
    assert reference.proof(old, LEAVES[:new]) == hashes(given["proof"])
    verify_consistency(old, new, ROOTS[old], ROOTS[new], hashes(given["proof"]))


@given(st.data())
def test_an_inclusion_proof_holds_for_its_leaf_index_size_and_root_alone(data: st.DataObject) -> None:
    leaves = [leaf_hash(bytes([each])) for each in range(data.draw(st.integers(2, 40)))]
    size, index = len(leaves), data.draw(st.integers(0, len(leaves) - 1))
    proof, root = reference.path(index, leaves), reference.root(leaves)
    verify_inclusion(leaves[index], index, size, proof, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index))
    at = data.draw(st.integers(0, len(proof) - 1))
    for wrong in (
        (leaves[other], index, size, proof, root),
        (leaves[index], other, size, proof, root),
        (leaves[index], index, size, proof[:at] + proof[at + 1 :], root),
        (leaves[index], index, size, [*proof, root], root),
        (leaves[index], index, size, [*proof[:at], leaf_hash(b"another"), *proof[at + 1 :]], root),
        (leaves[index], index, size, proof, leaf_hash(b"another")),
        (leaves[index], -1, size, proof, root),
        (leaves[index], size, size, proof, root),
    ):
        with pytest.raises(ProofError):
            verify_inclusion(*wrong)


@given(st.data())
def test_a_consistency_proof_holds_for_its_two_sizes_and_roots_alone(data: st.DataObject) -> None:
    leaves = [leaf_hash(bytes([each])) for each in range(data.draw(st.integers(2, 40)))]
    new, old = len(leaves), data.draw(st.integers(1, len(leaves) - 1))
    proof, before, after = reference.proof(old, leaves), reference.root(leaves[:old]), reference.root(leaves)
    verify_consistency(old, new, before, after, proof)
    forked = reference.root([leaf_hash(b"another"), *leaves[1:old]])
    at = data.draw(st.integers(0, len(proof) - 1))
    for wrong in (
        (old, new, forked, after, proof),
        (old, new, before, forked, proof),
        (old, new, before, after, proof[:at] + proof[at + 1 :]),
        (old, new, before, after, [*proof, after]),
        (old, new, before, after, [*proof[:at], forked, *proof[at + 1 :]]),
        (new, old, after, before, proof),
        (old, old, before, after, []),
        (0, new, before, after, []),
        (-1, new, before, after, []),
    ):
        with pytest.raises(ProofError):
            verify_consistency(*wrong)


@pytest.mark.parametrize("given", NOTES["notes"])
def test_a_published_note_is_signed_by_its_key_and_written_as_it_was(given: dict[str, str]) -> None:
    key, note = Key.parse(given["key"]), Note.parse(given["note"])
    assert (str(key), str(note)) == (given["key"], given["note"])
    assert key.signed(note) == 0
    altered = Note(text=note.text.replace("is", "was", 1), signatures=note.signatures)
    with pytest.raises(ProofError, match="is not of this text and key"):
        key.signed(altered)


def test_the_published_cosigned_checkpoint_is_read_and_written_as_it_was() -> None:
    note = Note.parse(NOTES["cosigned"])
    assert str(note) == NOTES["cosigned"]
    assert (note.checkpoint.origin, note.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert note.checkpoint.text == note.text
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147
    cosigner = Key.parse(NOTES["cosigner"])
    assert (cosigner.kind, str(cosigner)) == (COSIGNATURE, NOTES["cosigner"])
    assert cosigner.signed(note) is None, "what another signed is passed over"


def private_key(seed: int) -> tuple[Ed25519PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return private, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def test_a_cosignature_covers_the_text_and_the_time_in_the_form_of_c2sp() -> None:
    private, public = private_key(7)
    key = Key(name="witness.example.com/w1", kind=COSIGNATURE, public=public)
    text = Checkpoint(origin="example.com/log", size=3, root=ROOTS[3]).text
    note = Note(text=text, signatures=(key.sign(text, private.sign, time=1679315147),))
    signed = private.sign(b"cosignature/v1\ntime 1679315147\n" + text.encode())
    assert note.signatures[0].signature == (1679315147).to_bytes(8, "big") + signed
    assert key.signed(Note.parse(str(note))) == 1679315147
    earlier = note.signatures[0].signature[:7] + b"\0" + signed
    with pytest.raises(ProofError):
        key.signed(
            Note(
                text=text, signatures=(type(note.signatures[0])(**{**vars(note.signatures[0]), "signature": earlier}),)
            )
        )


def test_the_same_key_signs_notes_and_cosignatures_and_neither_passes_for_the_other() -> None:
    private, public = private_key(7)
    plain = Key(name="log", kind=SIGNATURE, public=public)
    text = Checkpoint(origin="log", size=1, root=ROOTS[1]).text
    note = Note(text=text, signatures=(plain.sign(text, private.sign),))
    assert (plain.signed(note), plain.of_kind(COSIGNATURE).signed(note)) == (0, None)
    both = note.with_signatures(plain.of_kind(COSIGNATURE).sign(text, private.sign, time=9), *note.signatures)
    assert len(both.signatures) == 2
    assert (plain.signed(both), plain.of_kind(COSIGNATURE).signed(both)) == (0, 9)


@given(st.data())
def test_no_note_differs_by_a_character_from_one_that_is_signed_and_is_signed_too(data: st.DataObject) -> None:
    private, public = private_key(7)
    key = Key(name="log", kind=SIGNATURE, public=public)
    text = Checkpoint(origin="log", size=8, root=ROOTS[8]).text
    written = str(Note(text=text, signatures=(key.sign(text, private.sign),)))
    at, other = (
        data.draw(st.integers(0, len(written) - 1)),
        data.draw(st.characters(min_codepoint=10, max_codepoint=999)),
    )
    altered = written[:at] + other + written[at + 1 :]
    if altered == written:
        return
    try:
        found = Note.parse(altered)
        assert key.signed(found) is None, "signed, and another one"
    except ProofError:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n01\nqqqq\n",
        "log\n-1\n" + "A" * 43 + "=\n",
        "log\n1\nAAAA\n",
        "log\n1\n" + "A" * 43 + "=",
        "log\n1\n" + "A" * 43 + "=\nmore\n",
        "\n1\n" + "A" * 43 + "=\n",
        "log\n" + "9" * 5000 + "\n" + "A" * 43 + "=\n",
        "log\n1\n" + "A" * 42 + "B=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+AAAA",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_no_verifiers_key_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        Key.parse(text)


def test_the_verifiers_part_imports_nothing_of_its_house() -> None:
    import include.audit.proofs as proofs

    source = Path(proofs.__file__).read_text()
    assert "from include" not in source
    assert "import include" not in source
