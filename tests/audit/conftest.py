"""One recorded version for all that only read it, signed with keys that are the same in each run."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from include.governance.signing import Signer
from tests.audit.recorded import Recorded
from tests.audit.signed import house, houses, ledger_url, local, postgres_ledger_url, sqlite_ledger_url  # noqa: F401


def fixed_signer(seed: int) -> Signer:
    return Signer(CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)))


@pytest.fixture(scope="session")
def authority() -> Signer:
    return fixed_signer(1)


@pytest.fixture(scope="session")
def training() -> Signer:
    return fixed_signer(2)


def made(folder: Path, authority: Signer, training: Signer) -> Recorded:
    (folder / "vault").mkdir()
    return Recorded(folder, authority, training)


@pytest.fixture
def recorded(tmp_path: Path, authority: Signer, training: Signer) -> Recorded:
    """A ledger of a test's own, without a version yet."""
    return made(tmp_path, authority, training)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, authority: Signer, training: Signer) -> Recorded:
    """One version, which no test changes."""
    found = made(tmp_path_factory.mktemp("written"), authority, training)
    found.night()
    return found
