"""The passport of a model version: one file of evidence, which whoever trusts nobody verifies without us.

    events of the version and manifests that they name → sections of claims → proofs to a checkpoint → a seal

Its format is in ``docs/passport.md``; :mod:`include.audit.verifier` reads it, and stands alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.audit.evidence import Evidence, Proofs, Section
from include.audit.questions import Answer, answers
from include.audit.sections import SECTIONS
from include.audit.verifier import FORMAT, SEAL_TYPE, parts_of
from include.audit.version_records import VersionRecords
from include.core.canonical import encode
from include.store import Store

if TYPE_CHECKING:
    from include.governance.signing import Signer


@dataclass(frozen=True, kw_only=True)
class Passport:
    """What is said of a version, ready to be written: ``document`` as JSON takes it, ``data`` its only bytes."""

    project: str
    version: int
    sections: tuple[Section, ...]
    answers: tuple[Answer, ...]
    document: Mapping[str, Any]
    data: bytes

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.project}-{self.version}"


def passport_of(
    known: VersionRecords,
    store: Store,
    *,
    authority: Sequence[bytes],
    signer: "Signer",
    proofs: Proofs | None = None,
    now: datetime,
) -> Passport:
    """The passport of the version that *known* is about, as of *now* (UTC): from the ledger and the open *store* alone.

    *authority* are the authority's public keys, the present one first; *signer* seals the file with training's key.
    Without *proofs* each event is there with its bytes, and that it lies in the ledger prints NOT SHOWN.
    """
    keys = [key.hex() for key in authority]
    evidence = Evidence(store, keys, proofs)
    sections = tuple(section(known, evidence) for section in SECTIONS)
    found = answers(sections, proven=proofs is not None and evidence.last_position <= proofs.size)
    document: dict[str, Any] = {
        "format": FORMAT,
        "project": known.project,
        "version": known.number,
        "written_at": now.astimezone(UTC).isoformat(),
        "keys": {"authority": keys, "training": signer.verifier.public.hex()},
        "checkpoint": None if proofs is None else proofs.checkpoint,
        "consistency": _consistency(evidence),
        "sections": [_plain(section) for section in sections],
        "questions": [_plain(answer) for answer in found],
        "leaves": evidence.leaves(),
        "manifests": evidence.manifests(),
    }
    whole = _plain(document)
    sealed = {**whole, "seal": signer.sign(SEAL_TYPE, encode(parts_of(whole)))}
    return Passport(
        project=known.project,
        version=known.number,
        sections=sections,
        answers=found,
        document=sealed,
        data=encode(sealed) + b"\n",
    )


def _consistency(evidence: Evidence) -> list[dict[str, object]]:
    import base64

    if evidence.proofs is None:
        return []
    earlier = sorted(evidence.proofs.consistency().items())
    return [{"size": size, "proof": [base64.b64encode(node).decode() for node in proof]} for size, proof in earlier]


def _plain(record: object) -> Any:
    """*record* as JSON says it."""
    import json

    return json.loads(encode(record))
