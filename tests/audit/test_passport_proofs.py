"""A passport with the ledger's own proofs is verified by the verifier that stands alone, and held against a copy."""

from pathlib import Path

from include.audit import verifier
from include.audit.checkpoints import Checkpointer
from include.audit.places import FolderPlace
from include.audit.proving import Proofs
from include.audit.witness import Witness
from include.governance.signing import Signer
from tests.audit.recorded import Recorded


def test_a_passport_holds_what_a_verifier_needs_to_hold_it_against_a_checkpoint_and_a_witness(
    recorded: Recorded, authority: Signer, tmp_path: Path
) -> None:
    place, publics = FolderPlace(tmp_path / "checkpoints"), [authority.verifier.public]
    checkpointer = Checkpointer(recorded.ledger, authority, [place], publics)
    watching = Witness(tmp_path / "witness", "w1", publics)
    recorded.night()
    kept = checkpointer.sign()
    seen = watching.look(place)
    recorded.night("night-2", loss=0.49)
    checkpointer.sign()
    assert kept is not None
    assert seen is not None
    data = recorded.passport(tree=Proofs.open(recorded.ledger, [place], publics)).data
    for against, witness in ((kept, None), (seen, str(watching.key))):
        report, _ = verifier.verify(data, against=str(against.note), witness=witness)
        assert report.problems == []
        assert not any("NOT SHOWN" in each or "ROLLBACK" in each for each in report.said)
    report, _ = verifier.verify(data)
    assert (report.problems, any("ROLLBACK NOT EXCLUDED" in each for each in report.said)) == ([], True)
