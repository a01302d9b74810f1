#!/usr/bin/env python3
"""Verifies a passport of a model offline: the file and public keys are all it needs.

This module stands alone: Python 3.11 or later and the package ``cryptography``. It may be copied anywhere and run as
``python verifier.py FILE``. What it checks, and what that proves, is in ``docs/passport.md``.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMAT = "trainyard-passport/1"
SEAL_TYPE = "application/vnd.trainyard.passport-seal+json"
_ED25519, _COSIGNATURE = b"\x01", b"\x04"  # kinds of keys in a signed note


class NotVerified(Exception):
    """What was found, and where, in a sentence."""


@dataclass(kw_only=True)
class Report:
    """``problems`` say what is not as it was recorded, and where; ``said`` what is proven, and what is not."""

    problems: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


# ── claims ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def resolve(document: Any, path: Sequence[Any]) -> list[Any]:
    """What *path* leads to in *document*.

    A step is a name, a place in a list, ``*`` (each element), a mapping (each element with those values; a list of two
    is the first and last value, both inclusive), ``@json`` (the JSON in a text) or ``@dsse`` (that in an envelope).
    """
    found = [document]
    for step in path:
        found = [each for value in found for each in _step(value, step)]
    return found


def _step(value: Any, step: Any) -> Iterator[Any]:
    if step == "*":
        yield from value.values() if isinstance(value, dict) else value
    elif isinstance(step, dict):
        yield from (each for each in value if all(_fits(each.get(name), asked) for name, asked in step.items()))
    elif step == "@json":
        yield json.loads(value)
    elif step == "@dsse":
        yield json.loads(base64.b64decode(json.loads(value)["payload"]))
    elif isinstance(value, dict):
        yield from [value[step]] if step in value else []
    elif isinstance(value, list) and isinstance(step, int):
        yield from value[step : step + 1]


def _fits(value: Any, asked: Any) -> bool:
    if isinstance(asked, list):
        return value is not None and bool(asked[0] <= value <= asked[1])
    return bool(value == asked)


def taken(take: str, values: Sequence[list[Any]]) -> Any:
    """What a claim says of what its places hold: *values* has one list a place.

    Raises:
        NotVerified: no such rule, or a single value is said of none or several.
    """
    first = values[0]
    if take in ("value", "first", "last") and (not first or (take == "value" and len(first) != 1)):
        raise NotVerified(f"{len(first)} values in the place of one")
    rules: Mapping[str, Any] = {
        "value": lambda: first[0],
        "first": lambda: first[0],
        "last": lambda: first[-1],
        "all": lambda: first,
        "count": lambda: len(first),
        "sum": lambda: sum(first),
        "least": lambda: min(first, default=None),
        "greatest": lambda: max(first, default=None),
        "same": lambda: all(each == first for each in values[1:]),
        "within": lambda: {canonical(each) for each in first} <= {canonical(each) for each in values[1]},
        "between": lambda: _moment(values[1]) <= _moment(first) < _moment(values[2]),
    }
    if take not in rules:
        raise NotVerified(f"no rule {take!r}")
    return rules[take]()


def _moment(values: Sequence[str]) -> datetime:
    return datetime.fromisoformat(values[0])


def canonical(value: Any) -> bytes:
    """*value* as the one JSON text that it has here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def leaf_document(raw: str) -> dict[str, Any]:
    """What a leaf of the ledger says: ``header`` (stream, kind, key, when) and ``event``."""
    header, _, event = raw.partition("\n")
    return {"header": json.loads(header), "event": json.loads(event)}


def claims_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every claim of a passport, each with its place in words."""
    for section in document["sections"]:
        for claim in section["claims"]:
            yield f"section {section['id']}, {claim['name']!r}", claim
        for table in section["tables"]:
            for number, row in enumerate(table["rows"], start=1):
                for column, cell in zip(table["columns"], row["cells"], strict=True):
                    if cell is not None:
                        yield f"section {section['id']}, {table['title']!r}, row {number}, {column!r}", cell


# ── digests and signatures ────────────────────────────────────────────────────────────────────────────────────────────


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def parts_of(document: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each part of a passport that the seal names: so what was changed is named too."""
    parts = {f"section {each['id']}": each for each in document["sections"]}
    parts |= {f"leaf {position}": leaf for position, leaf in document["leaves"].items()}
    whole = {name: value for name, value in document.items() if name not in ("sections", "leaves", "seal")}
    return {name: digest(canonical(part)) for name, part in (parts | whole).items()}


def signed_payload(envelope: str, keys: Sequence[str], payload_type: str | None = None) -> bytes:
    """The payload of a DSSE *envelope* that one of the Ed25519 *keys* (hex) signed.

    Raises:
        NotVerified: none did, or signed another type.
    """
    parsed = json.loads(envelope)
    kind, payload = parsed["payloadType"].encode(), base64.b64decode(parsed["payload"])
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    signatures = [base64.b64decode(each["sig"]) for each in parsed["signatures"]]
    if not any(_is_signed(key, each, signed) for key in keys for each in signatures):
        raise NotVerified("an envelope that another key signed, or that was altered")
    if payload_type not in (None, parsed["payloadType"]):
        raise NotVerified("an envelope of another type")
    return payload


def _is_signed(key: str, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


# ── the tree and its checkpoints (RFC 9162; C2SP tlog-checkpoint, signed-note, tlog-cosignature) ──────────────────────


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A signed note: the first ``size`` events of the log ``origin`` have the Merkle root ``root``."""

    origin: str
    size: int
    root: bytes
    body: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, text: str) -> "Checkpoint":
        """The checkpoint that *text* is.

        Raises:
            NotVerified: it is none.
        """
        body, between, below = text.partition("\n\n")
        try:
            origin, size, root = body.split("\n")[:3]
            lines = [line.removeprefix("— ").split(" ") for line in below.splitlines() if line.startswith("— ")]
            signatures = tuple((name, base64.b64decode(signature, validate=True)) for name, signature in lines)
            made = cls(
                origin=origin, size=int(size), root=base64.b64decode(root), body=body + "\n", signatures=signatures
            )
        except ValueError:
            raise NotVerified("a checkpoint that is no signed note") from None
        if not between or len(made.root) != hashlib.sha256().digest_size:
            raise NotVerified("a checkpoint that is no signed note")
        return made

    def is_signed_by(self, keys: Sequence[str]) -> bool:
        """Whether one of the log's own Ed25519 *keys* (hex) signed it."""
        return any(
            signature[:4] == _key_hash(name, _ED25519, bytes.fromhex(key))
            and _is_signed(key, signature[4:], self.body.encode())
            for name, signature in self.signatures
            for key in keys
        )

    def cosigned_by(self, witness: str) -> datetime | None:
        """When the *witness* (``name+hash+key``, as witnesses publish it) had seen it; ``None``: it did not sign."""
        name, _, rest = witness.strip().partition("+")
        kind_and_key = base64.b64decode(rest.partition("+")[2])
        for signer, signature in self.signatures:
            if signer != name or signature[:4] != _key_hash(name, kind_and_key[:1], kind_and_key[1:]):
                continue
            at = int.from_bytes(signature[4:12], "big")
            if _is_signed(kind_and_key[1:].hex(), signature[12:], f"cosignature/v1\ntime {at}\n{self.body}".encode()):
                return datetime.fromtimestamp(at, UTC)
        return None


def _key_hash(name: str, kind: bytes, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + key).digest()[:4]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_included(raw: bytes, index: int, checkpoint: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether *raw* is the leaf *index* (from 0) of the tree of *checkpoint*: RFC 9162, 2.1.3.2."""
    if index >= checkpoint.size:
        return False
    place, last, node = index, checkpoint.size - 1, hashlib.sha256(b"\x00" + raw).digest()
    for sibling in proof:
        if last == 0:
            return False
        if place % 2 or place == last:
            node = _node(sibling, node)
            while not place % 2 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _node(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == checkpoint.root


def is_consistent(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether the tree of *new* begins with that of *old*, which is not empty: RFC 9162, 2.1.4.2."""
    if old.size == new.size:
        return old.root == new.root
    path = [old.root, *proof] if old.size & (old.size - 1) == 0 else [*proof]
    if not path or not 0 < old.size < new.size:
        return False
    place, last = old.size - 1, new.size - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            first, second = _node(sibling, first), _node(sibling, second)
            while not place % 2 and place:
                place, last = place >> 1, last >> 1
        else:
            second = _node(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (first, second) == (old.root, new.root)


# ── a whole passport ──────────────────────────────────────────────────────────────────────────────────────────────────


def verify(
    data: bytes, *, against: str | None = None, witness: str | None = None, keys: Sequence[str] = ()
) -> tuple[Report, dict[str, Any]]:
    """What the passport *data* proves, and what it says.

    *against* is a checkpoint from outside, *witness* the public key of a witness; *keys* are the authority's, former
    ones too, as the reader knows them (in hex, or as ``./trainyard verify`` prints them).
    """
    report = Report()
    try:
        document = _read(data)
        _seal(document, report)
        _keys(document, keys, report)
        _leaves(document, report)
        _manifests(document, report)
        _claims(document, report)
        _identity(document, report)
        _answers(document, report)
        _checkpoint(document, against, witness, report)
    except NotVerified as found:
        report.problems.append(str(found))
        return report, {}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        report.problems.append(f"the file is not built as {FORMAT} says ({type(error).__name__}: {error})")
        return report, {}
    return report, document


def _read(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        raise NotVerified("the file is no JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotVerified(f"the file is no passport of the format {FORMAT}")
    if canonical(document) != data.rstrip(b"\n"):
        raise NotVerified("the file is not written as it was: spaces, order or doubled names changed")
    return document


def _seal(document: Mapping[str, Any], report: Report) -> None:
    """The file as a whole, and each of its parts, is what was sealed when it was written."""
    try:
        sealed = json.loads(signed_payload(document["seal"], [document["keys"]["training"]], SEAL_TYPE))
    except (NotVerified, ValueError, KeyError, TypeError) as error:
        report.problems.append(f"the seal of the file does not hold: {error}")
        return
    found = parts_of(document)
    changed = sorted(name for name in found.keys() | sealed.keys() if found.get(name) != sealed.get(name))
    report.problems += [f"changed since it was sealed: {name}" for name in changed]
    if not changed:
        report.said.append(f"sealed with the key {document['keys']['training'][:16]}…, and unaltered since")


def _keys(document: Mapping[str, Any], keys: Sequence[str], report: Report) -> None:
    own, known = document["keys"]["authority"], [hex_of(key) for key in keys]
    if not known:
        report.said.append(f"the authority's key is the file's own word: compare {', '.join(own)} with what you know")
        return
    others = [key for key in own if key not in known]
    report.problems += [f"the authority's key is another one than yours: {key}" for key in others]
    if not others:
        report.said.append("the authority's key is one that you gave")


def hex_of(key: str) -> str:
    """A key in hex, however it is written: in hex, or as ``name+hash+key``."""
    written = key.strip().split("+", 2)
    return base64.b64decode(written[2])[1:].hex() if len(written) == 3 else key.strip().lower()


def _leaves(document: Mapping[str, Any], report: Report) -> None:
    """Each leaf lies where it says in the tree of the file's checkpoint, and what it carries is signed."""
    text = document["checkpoint"]
    checkpoint = None if text is None else Checkpoint.read(text)
    unproven = []
    for position, leaf in sorted(document["leaves"].items(), key=lambda each: int(each[0])):
        place = f"ledger position {position}"
        envelope = leaf_document(leaf["raw"])["event"].get("envelope")
        try:
            if envelope is not None:
                signed_payload(envelope, document["keys"]["authority"])
        except (NotVerified, ValueError, KeyError) as error:
            report.problems.append(f"{place}: {error}")
        if leaf["leaf_hash"] != digest(b"\0" + leaf["raw"].encode()):
            report.problems.append(f"{place} is not what was hashed")
        if checkpoint is None or leaf["proof"] is None:
            unproven.append(position)
            continue
        proof = [base64.b64decode(each) for each in leaf["proof"]]
        if not is_included(leaf["raw"].encode(), int(position) - 1, checkpoint, proof):
            report.problems.append(f"{place} is not what the checkpoint of {checkpoint.size} events holds there")
    if len(unproven) < len(document["leaves"]):
        report.said.append(f"{len(document['leaves']) - len(unproven)} events lie in the ledger where the file says")
    if unproven:
        report.said.append(f"NOT SHOWN: that {len(unproven)} events lie in the ledger (no proof to a checkpoint)")


def _manifests(document: Mapping[str, Any], report: Report) -> None:
    """Each manifest has its digest, which an event names, or a manifest that an event leads to."""
    manifests, said = document["manifests"], [leaf["raw"] for leaf in document["leaves"].values()]
    left = set(manifests)
    for name, text in manifests.items():
        if digest(text.encode()) != name:
            report.problems.append(f"the manifest {name} is another text")
    while named := {name for name in left if any(name in text for text in said)}:
        said = [manifests[name] for name in named]
        left -= named
    report.problems += [f"no event names the manifest {name}" for name in sorted(left)]


def _claims(document: Mapping[str, Any], report: Report) -> None:
    sources: dict[str, Any] = {f"ledger/{at}": leaf_document(leaf["raw"]) for at, leaf in document["leaves"].items()}
    sources |= {f"store/{name}": json.loads(text) for name, text in document["manifests"].items()}
    count = 0
    for place, claim in claims_of(document):
        count += 1
        try:
            places = [claim, *claim["also"]]
            said = taken(claim["take"], [resolve(sources[each["source"]], each["path"]) for each in places])
        except (NotVerified, KeyError, TypeError, ValueError, IndexError) as error:
            report.problems.append(f"{place}: {claim.get('source')} does not say it ({type(error).__name__}: {error})")
            continue
        if said != claim["value"] or isinstance(said, bool) is not isinstance(claim["value"], bool):
            report.problems.append(f"{place}: the file says {claim['value']!r}, {claim['source']} says {said!r}")
    report.said.append(f"{count:,} figures are what these events, and the manifests that they name, say")


def _said(document: Mapping[str, Any], section: str) -> dict[str, Mapping[str, Any]]:
    return {claim["name"]: claim for each in document["sections"] if each["id"] == section for claim in each["claims"]}


def _decision(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the authority signed about the version; ``None``: the file shows no decision."""
    promoted = _said(document, "identity").get("promoted")
    if promoted is None:
        return None
    leaf = leaf_document(document["leaves"][promoted["source"].removeprefix("ledger/")]["raw"])
    decided: Mapping[str, Any] = resolve(leaf, ["event", "envelope", "@dsse"])[0]
    return decided


def _identity(document: Mapping[str, Any], report: Report) -> None:
    """The file, its claims and the decision that it shows are about one version."""
    said, decided = _said(document, "identity"), _decision(document) or {}
    for name in ("project", "version", "evaluation", "model", "bundle"):
        claimed = said[name]["value"] if name in said else None
        about = {"the file": document.get(name), "its claims": claimed, "the decision": decided.get(name)}
        found = {who: value for who, value in about.items() if value is not None}
        if len(set(found.values())) > 1:
            told = ", ".join(f"{who} about {value}" for who, value in found.items())
            report.problems.append(f"the {name} is not one: {told}")


def _answers(document: Mapping[str, Any], report: Report) -> None:
    """What a question is answered by stands in the file."""
    shown = {(each["id"], claim["name"]) for each in document["sections"] for claim in each["claims"]}
    shown |= {
        (each["id"], table["title"]) for each in document["sections"] for table in each["tables"] if table["rows"]
    }
    for each in document["questions"]:
        if each["answered"] and not {(place["section"], place["what"]) for place in each["places"]} <= shown:
            report.problems.append(f"question {each['number']} is not answered where it says")


def _checkpoint(document: Mapping[str, Any], against: str | None, witness: str | None, report: Report) -> None:
    text = document["checkpoint"]
    if text is None:
        report.said.append("NOT SHOWN: a checkpoint of the ledger. ROLLBACK NOT EXCLUDED")
        if against or witness:
            report.problems.append("the file holds no checkpoint, and cannot be held against one from outside")
        return
    own = Checkpoint.read(text)
    if not own.is_signed_by(document["keys"]["authority"]):
        report.problems.append("the file's checkpoint is not signed by the authority's key")
    outside = _outside(document, own, against, report)
    for shown in [] if witness is None else [own, *([] if outside is None else [outside])]:
        if (at := shown.cosigned_by(witness or "")) is not None:
            report.said.append(
                f"unaltered since checkpoint {shown.size}, which the witness had seen by {at.isoformat()}"
            )
            return
    if witness is not None:
        report.problems.append("no checkpoint at hand is signed by that witness")
    elif outside is not None:
        report.said.append(f"unaltered since checkpoint {outside.size}, which you gave")
    elif against is None:
        report.said.append(
            f"unaltered since checkpoint {own.size} of {own.origin}, by the file's own word. ROLLBACK NOT EXCLUDED: "
            "give a checkpoint from outside (--against), or a witness's key (--witness)"
        )


def _outside(document: Mapping[str, Any], own: Checkpoint, against: str | None, report: Report) -> Checkpoint | None:
    """The checkpoint from outside, if the file's own tree goes on from it."""
    if against is None:
        return None
    outside = Checkpoint.read(against)
    steps = {each["size"]: [base64.b64decode(node) for node in each["proof"]] for each in document["consistency"]}
    if outside.origin != own.origin or not outside.is_signed_by(document["keys"]["authority"]):
        report.problems.append("the checkpoint from outside is another ledger's, or not signed by the authority's key")
    elif outside.size > own.size:
        report.problems.append(
            f"the file ends at checkpoint {own.size}, before that from outside ({outside.size}): have it written again"
        )
    elif outside.size != own.size and outside.size not in steps:
        report.problems.append(
            f"the file holds no proof from checkpoint {outside.size}: have it written with --against that checkpoint"
        )
    elif not is_consistent(outside, own, steps.get(outside.size, [])):
        report.problems.append(
            f"the ledger was rewritten: the first {outside.size} events are not those of the checkpoint from outside"
        )
    else:
        return outside
    return None


def is_approved(document: Mapping[str, Any], data: bytes) -> str:
    """Whether *data* is the file of the model, or of the bundle, that the authority decided about, in a sentence.

    Raises:
        NotVerified: it is another file, or nothing was decided.
    """
    decided = _decision(document)
    if decided is None:
        raise NotVerified("no decision of the authority is shown: no model is approved by it")
    if digest(data) not in (decided["model"], decided["bundle"]):
        found, wanted = digest(data), decided["model"]
        raise NotVerified(f"the model file {found} is not the model of version {decided['version']}: {wanted}")
    state = "the approved model" if decided["verdict"]["promote"] else "the model, which was NOT approved,"
    return f"the model file is {state} of version {decided['version']}"


def main() -> int:
    """Verify a passport from the command line; 0 if all of it holds."""
    parser = argparse.ArgumentParser(prog="trainyard-verify", description="Verify a passport of a model, offline.")
    parser.add_argument("file", type=Path, help="the passport (JSON)")
    parser.add_argument("--against", type=Path, help="a checkpoint of the ledger that you got from elsewhere")
    parser.add_argument("--witness", help="the public key of a witness, or a file that holds it")
    parser.add_argument("--key", action="append", default=[], help="the authority's public key, as you know it")
    parser.add_argument("--model", type=Path, help="a model file: is it the approved one?")
    given = parser.parse_args()
    report, document = verify(
        given.file.read_bytes(),
        against=given.against.read_text() if given.against else None,
        witness=_text(given.witness),
        keys=given.key,
    )
    if given.model and document:
        try:
            report.said.append(is_approved(document, given.model.read_bytes()))
        except NotVerified as found:
            report.problems.append(str(found))
    for line in report.said:
        print(f"  {line}")  # noqa: T201  # what a command prints
    for line in report.problems:
        print(f"✗ {line}")  # noqa: T201
    print("NOT VERIFIED" if report.problems else "VERIFIED")  # noqa: T201
    return 1 if report.problems else 0


def _text(given: str | None) -> str | None:
    return Path(given).read_text() if given and Path(given).is_file() else given


if __name__ == "__main__":
    sys.exit(main())
