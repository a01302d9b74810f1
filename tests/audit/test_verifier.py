"""A passport proves what it says, and whatever was changed since is found and named."""

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.audit import verifier
from include.audit.proofs import SIGNATURE, Key
from include.audit.verifier import Checkpoint, canonical, is_consistent, is_included, parts_of, verify
from include.core.canonical import encode
from include.governance.signing import Signer
from include.settings import ROOT
from tests.audit.conftest import fixed_signer
from tests.audit.recorded import MODEL, P, Recorded
from tests.audit.tree import (
    ORIGIN,
    SignedTree,
    consistency,
    cosignature,
    inclusion,
    note,
    root_of,
    witness_key,
)

GOLDEN = Path(__file__).parent / "golden"

#: The inputs of Certificate Transparency's own tests of RFC 6962 trees, and the root of all eight.
PUBLISHED = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
PUBLISHED_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def checkpoint(leaves: list[bytes]) -> Checkpoint:
    return Checkpoint.read(note(len(leaves), root_of(leaves), fixed_signer(1)))


def leaves_of(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def test_the_tree_of_these_tests_has_the_published_root() -> None:
    assert root_of(PUBLISHED).hex() == PUBLISHED_ROOT


def test_every_leaf_of_every_tree_is_included_in_its_place_and_in_no_other() -> None:
    for count in range(1, 20):
        leaves = leaves_of(count)
        signed = checkpoint(leaves)
        for index in range(count):
            proof = inclusion(index, leaves)
            assert is_included(leaves[index], index, signed, proof)
            assert not is_included(b"another", index, signed, proof)
            assert not is_included(leaves[index], index + 1, signed, proof)
            assert not is_included(leaves[index], index, signed, [*proof, b"\0" * 32])
            assert not proof or not is_included(leaves[index], index, signed, proof[:-1])


def test_every_tree_goes_on_from_its_own_beginnings_and_from_no_other() -> None:
    for count in range(1, 20):
        leaves = leaves_of(count)
        for size in range(1, count + 1):
            proof = consistency(size, leaves)
            assert is_consistent(checkpoint(leaves[:size]), checkpoint(leaves), proof)
            forked = [*leaves[: size - 1], b"forked"]
            assert not is_consistent(checkpoint(forked), checkpoint(leaves), proof)


def verified(recorded: Recorded, **given: Any) -> tuple[list[str], list[str]]:
    tree = given.pop("tree", None) or recorded.tree()
    report, _ = verify(recorded.passport(tree=tree).data, **given)
    return report.problems, report.said


def test_a_passport_is_verified_and_says_that_a_rollback_is_not_excluded(written: Recorded) -> None:
    problems, said = verified(written)
    assert problems == []
    assert any("ROLLBACK NOT EXCLUDED" in line for line in said)
    assert not any("NOT SHOWN" in line for line in said)


def test_without_a_checkpoint_it_says_what_is_not_shown(written: Recorded) -> None:
    report, _ = verify(written.passport().data)
    assert report.problems == []
    assert any(line.startswith("NOT SHOWN: that ") for line in report.said)
    assert any("ROLLBACK NOT EXCLUDED" in line for line in report.said)


def test_held_against_a_checkpoint_from_outside_it_is_unaltered_since(written: Recorded) -> None:
    problems, said = verified(written, against=written.tree().checkpoint)
    assert problems == []
    assert said[-1] == f"unaltered since checkpoint {written.tree().size}, which you gave"


def test_an_earlier_checkpoint_from_outside_is_one_that_the_ledger_went_on_from(written: Recorded) -> None:
    raws = [each.raw for each in written.ledger.read_all()]
    outside = SignedTree(raws[:5], written.authority).checkpoint
    goes_on = SignedTree(raws, written.authority, earlier=(5,))
    problems, said = verified(written, tree=goes_on, against=outside)
    assert problems == []
    assert said[-1] == "unaltered since checkpoint 5, which you gave"
    problems, _ = verified(written, against=outside)
    assert problems == ["the file holds no proof from checkpoint 5: have it written with --against that checkpoint"]


def test_a_rewritten_ledger_is_found_against_a_checkpoint_from_outside(written: Recorded) -> None:
    raws = [each.raw for each in written.ledger.read_all()]
    forked = SignedTree([*raws[:-1], b"what was there before"], written.authority).checkpoint
    problems, _ = verified(written, against=forked)
    assert problems == [
        f"the ledger was rewritten: the first {len(raws)} events are not those of the checkpoint from outside"
    ]


def test_a_restored_old_ledger_is_found_against_a_later_checkpoint(written: Recorded) -> None:
    raws = [each.raw for each in written.ledger.read_all()]
    later = SignedTree([*raws, b"and then"], written.authority).checkpoint
    problems, _ = verified(written, against=later)
    assert len(problems) == 1
    assert "before that from outside" in problems[0]


def test_another_ledgers_checkpoint_and_another_deployments_key_are_refused(written: Recorded) -> None:
    tree = written.tree()
    other = note(tree.size, Checkpoint.read(tree.checkpoint).root, fixed_signer(9))
    assert "another ledger's" in verified(written, against=other)[0][0]
    elsewhere = note(tree.size, Checkpoint.read(tree.checkpoint).root, written.authority, origin="elsewhere")
    assert "another ledger's" in verified(written, against=elsewhere)[0][0]
    assert "another one than yours" in verified(written, keys=[fixed_signer(9).verifier.public.hex()])[0][0]
    assert verified(written, keys=[written.authority.verifier.public.hex()])[0] == []


def test_a_key_is_the_same_however_it_is_written() -> None:
    for seed in range(1, 40):  # in base64 some of them have a plus, which parts the key from its name too
        public = fixed_signer(seed).verifier.public
        key = Key(name="trainyard/7a709c11", kind=SIGNATURE, public=public)
        assert verifier.hex_of(str(key)) == verifier.hex_of(f" {public.hex().upper()}\n") == public.hex()


def test_a_witness_that_saw_the_checkpoint_excludes_a_rollback_and_another_does_not(written: Recorded) -> None:
    plain, witness = written.tree(), fixed_signer(3)

    class Witnessed(SignedTree):
        @property
        def checkpoint(self) -> str:
            text = super().checkpoint
            return text + cosignature("witness.test", witness, text.partition("\n\n")[0] + "\n", at=1_780_000_000)

    tree = Witnessed([each.raw for each in written.ledger.read_all()], written.authority)
    problems, said = verified(written, tree=tree, witness=witness_key("witness.test", witness))
    assert problems == []
    assert said[-1].startswith(f"unaltered since checkpoint {plain.size}, which the witness had seen")
    problems, _ = verified(written, tree=tree, witness=witness_key("witness.test", fixed_signer(4)))
    assert problems == ["no checkpoint at hand is signed by that witness"]


def test_a_model_file_is_the_approved_one_or_it_is_not(written: Recorded) -> None:
    _, document = verify(written.passport().data)
    assert verifier.is_approved(document, MODEL) == "the model file is the approved model of version 1"
    with pytest.raises(verifier.NotVerified, match="is not the model of version 1"):
        verifier.is_approved(document, MODEL.replace(b"v4", b"v5"))


def test_a_decision_about_another_version_is_found_even_by_whoever_can_seal(
    recorded: Recorded, training: Signer
) -> None:
    recorded.night()
    recorded.night("night-2", loss=0.9)
    tree = recorded.tree()
    first, second = (json.loads(recorded.passport(f"{P}@{number}", tree=tree).data) for number in (1, 2))
    approved = next(each for each in first["sections"][0]["claims"] if each["name"] == "promoted")
    claims = second["sections"][0]["claims"]
    claims[:] = [approved if each["name"] == "promoted" else each for each in claims]
    second["leaves"] |= first["leaves"]
    report, _ = verify(resealed(second, training))
    assert "the version is not one: the file about 2, its claims about 2, the decision about 1" in report.problems


def test_an_answer_that_stands_nowhere_is_found_even_by_whoever_can_seal(document: Any, training: Signer) -> None:
    number = next(place for place, each in enumerate(document["questions"]) if not each["answered"])
    path = ("questions", number)
    answered = {**document["questions"][number], "answered": True, "places": [{"section": "data", "what": "x"}]}
    report, _ = verify(resealed(changed(document, path, lambda _: answered), training))
    assert report.problems == [f"question {number + 1} is not answered where it says"]


# ── what was changed is found ─────────────────────────────────────────────────────────────────────────────────────────


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each text, number, yes or no, and null of a document stands."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from paths(each, (*path, name))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from paths(each, (*path, place))
    else:
        yield path


def changed(document: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    found = json.loads(json.dumps(document))
    *way, last = path
    place = found
    for step in way:
        place = place[step]
    place[last] = change(place[last])
    return found


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str) and value:
        return value[:-1] + ("x" if value[-1] != "x" else "y")
    return "something"


@pytest.fixture(scope="session")
def document(written: Recorded) -> Any:
    return json.loads(written.passport(tree=written.tree()).data)


@given(data=st.data())
@settings(max_examples=80)
def test_every_field_of_a_passport_that_is_changed_is_found(document: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(paths(document), key=repr)))
    report, _ = verify(canonical(changed(document, path, another)))
    assert report.problems


def resealed(document: Any, training: Signer) -> bytes:
    """The document as whoever holds training's key would pass it off."""
    document["seal"] = training.sign(verifier.SEAL_TYPE, encode(parts_of(document)))
    return canonical(document)


@given(data=st.data())
@settings(max_examples=40)
def test_a_figure_that_is_changed_is_found_and_named_even_by_whoever_can_seal(
    document: Any, training: Signer, data: st.DataObject
) -> None:
    figures = [path for path in paths(document) if path[0] == "sections" and "value" in path]
    path = data.draw(st.sampled_from(sorted(figures, key=repr)))
    report, _ = verify(resealed(changed(document, path, another), training))
    section = document["sections"][path[1]]["id"]
    assert any(line.startswith(f"section {section}, ") for line in report.problems)


@given(data=st.data())
@settings(max_examples=25)
def test_an_event_or_manifest_that_is_changed_is_found_even_by_whoever_can_seal(
    document: Any, training: Signer, data: st.DataObject
) -> None:
    held = [("leaves", position, "raw") for position in document["leaves"]]
    held += [("manifests", name) for name in document["manifests"]]
    path = data.draw(st.sampled_from(held))
    report, _ = verify(resealed(changed(document, path, lambda text: text.replace("a", "e", 1)), training))
    assert any(path[1] in line for line in report.problems)


def test_a_changed_part_is_named(document: Any) -> None:
    place = next(index for index, each in enumerate(document["sections"]) if each["id"] == "performance")
    report, _ = verify(canonical(changed(document, ("sections", place, "title"), another)))
    assert report.problems == ["changed since it was sealed: section performance"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"[]", b"{}", b'{"format":"trainyard-passport/1"}'])
def test_what_is_no_passport_is_refused(data: bytes) -> None:
    report, said = verify(data)
    assert report.problems
    assert said == {}


def test_another_spelling_of_the_same_is_found(document: Any) -> None:
    report, _ = verify(json.dumps(document).encode())
    assert report.problems == ["the file is not written as it was: spaces, order or doubled names changed"]


# ── the program and its vectors ───────────────────────────────────────────────────────────────────────────────────────


def test_the_verifier_needs_no_more_than_python_and_cryptography() -> None:
    module = ast.parse((ROOT / "include" / "audit" / "verifier.py").read_text())
    named = {each.module or "" for each in ast.walk(module) if isinstance(each, ast.ImportFrom)}
    named |= {name.name for each in ast.walk(module) if isinstance(each, ast.Import) for name in each.names}
    assert {name.partition(".")[0] for name in named} <= {*sys.stdlib_module_names, "cryptography"}


def shape(value: Any) -> Any:
    """Which fields there are, of what kind; of a list, what its elements are. What stands in them is left out."""
    if isinstance(value, dict):
        return {
            name: shape(each) for name, each in value.items() if name not in ("path", "value", "leaves", "manifests")
        }
    if isinstance(value, list):
        return sorted({json.dumps(shape(each), sort_keys=True) for each in value})
    return type(value).__name__


def test_the_vector_of_the_format_is_still_verified_and_still_what_is_written(written: Recorded) -> None:
    golden = (GOLDEN / "passport-1.json").read_bytes()
    report, _ = verify(golden, against=written.tree().checkpoint, keys=[written.authority.verifier.public.hex()])
    assert report.problems == []
    made = json.loads(written.passport(tree=written.tree()).data)
    assert shape(made) == shape(json.loads(golden)), "the format changed: raise its version, and keep this file"


MUTATIONS = json.loads((GOLDEN / "mutations.json").read_text()) if (GOLDEN / "mutations.json").exists() else []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each["what"])
def test_each_mutation_of_the_vectors_is_found_by_its_name(mutation: dict[str, Any]) -> None:
    document = json.loads((GOLDEN / "passport-1.json").read_bytes())
    found = changed(document, tuple(mutation["path"]), lambda _: mutation["value"])
    report, _ = verify(canonical(found))
    assert mutation["found"] in report.problems


def test_the_leaf_hash_is_that_of_the_ledger(written: Recorded) -> None:
    entry = written.ledger.read_all()[0]
    assert hashlib.sha256(b"\0" + entry.raw).hexdigest() == entry.leaf_hash
    assert ORIGIN in written.tree().checkpoint
