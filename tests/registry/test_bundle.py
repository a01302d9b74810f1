import base64
import dataclasses
import json
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import DataError, RegistryError
from include.governance.signing import Signer, create_key
from include.registry import bundle
from tests.audit.recorded import CARD
from tests.registry.models import FEATURE_SET, FEATURES, PROJECT, evaluation, model_text
from tests.training.flights import Folder

ROWS = pd.DataFrame({"dest": ["SFO", "ATL", None, "???"], "other": 1, "hour": [20, 3, 12, 12]})


def _signer(folder: Path) -> Signer:
    create_key(folder / "key")
    return Signer.load(folder / "key")


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return _signer(tmp_path_factory.mktemp("keys"))


def _pack(vault, signer, *, project=PROJECT, **changes):
    return bundle.pack(
        evaluation=dataclasses.replace(evaluation(vault), **changes),
        evaluation_digest="sha256:evaluation",
        features=FEATURE_SET,
        project=project,
        opened=vault,
        vault=vault,
        signer=signer,
    )


@pytest.fixture(scope="module")
def packed(vault, signer):
    return vault.bytes(_pack(vault, signer))


def test_the_same_model_packs_to_the_same_digest(vault, signer):
    assert _pack(vault, signer) == _pack(vault, signer)
    assert _pack(vault, signer) != _pack(vault, signer, trial_id="sha256:other")


def test_a_bundle_names_what_its_model_was_made_of(packed, signer, vault):
    manifest = bundle.verify(packed, signer.verifier)
    assert (manifest.project, manifest.purpose) == (PROJECT.name, PROJECT.ownership.purpose)
    assert manifest.features == FEATURES
    assert (manifest.objective, manifest.label) == (FEATURE_SET.objective, FEATURE_SET.label)
    assert manifest.learnt_until == FEATURE_SET.split.validation.last
    assert manifest.model == evaluation(vault).model
    assert (manifest.snapshot, manifest.feature_set) == ("sha256:snapshot", "sha256:features")
    assert (manifest.plan, manifest.evaluation) == ("sha256:plan", "sha256:evaluation")


def test_what_the_owners_say_is_signed_into_the_bundle_and_without_a_card_nothing_changes(packed, signer, vault):
    with_card = vault.bytes(_pack(vault, signer, project=PROJECT.varied(card=CARD)))
    assert bundle.verify(with_card, signer.verifier).card == CARD
    assert bundle.verify(packed, signer.verifier).card is None
    assert b"card" not in base64.b64decode(json.loads(json.loads(packed)["envelope"])["payload"])


def test_a_loaded_model_predicts_what_the_packed_one_does(packed, signer):
    champion = bundle.load(packed, signer.verifier)
    encoded = np.array([[20, 2], [3, 0], [12, np.nan], [12, np.nan]], dtype=np.float32)
    expected = lightgbm.Booster(model_str=model_text()).predict(encoded)
    assert champion.predict(ROWS).tolist() == expected.tolist()
    assert champion.predict(pa.Table.from_pandas(ROWS)).tolist() == expected.tolist()
    assert champion.predict(ROWS.astype({"dest": "category"})).tolist() == expected.tolist()


def test_a_row_without_a_feature_of_the_model_is_refused(packed, signer):
    with pytest.raises(DataError, match="no column dest"):
        bundle.load(packed, signer.verifier).predict(ROWS[["hour"]])


def test_a_column_of_mixed_types_is_refused_without_its_values(packed, signer):
    mixed = pd.DataFrame({"hour": [1, "secret-cell"], "dest": ["SFO", "ATL"]})
    with pytest.raises(DataError, match="values of one type") as raised:
        bundle.load(packed, signer.verifier).predict(mixed)
    assert "secret-cell" not in str(raised.value)


def test_a_bundle_that_another_key_signed_is_refused(packed, tmp_path):
    with pytest.raises(RegistryError, match="signed by this installation"):
        bundle.load(packed, _signer(tmp_path).verifier)


def test_an_envelope_of_another_kind_is_refused(packed, signer):
    grant = json.loads(packed) | {"envelope": signer.sign("application/vnd.other+json", b"{}")}
    with pytest.raises(RegistryError, match="signed by this installation"):
        bundle.load(json.dumps(grant).encode(), signer.verifier)


def test_another_model_beside_a_true_manifest_is_refused(packed, signer):
    exchanged = json.loads(packed) | {"model": model_text(2)}
    with pytest.raises(RegistryError, match="a model text that the manifest does not name"):
        bundle.load(json.dumps(exchanged).encode(), signer.verifier)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**9), change=st.integers(1, 255))
def test_no_altered_byte_gives_another_model(packed, signer, position, change):
    altered = bytearray(packed)
    altered[position % len(packed)] ^= change
    try:
        champion = bundle.verify(bytes(altered), signer.verifier)
    except RegistryError:
        return
    # JSON has several spellings of one text: only those may pass.
    assert champion == bundle.verify(packed, signer.verifier)
    assert json.loads(altered)["model"] == json.loads(packed)["model"]


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"envelope": "", "model": ""}'])
def test_what_is_no_bundle_is_refused(data, signer):
    with pytest.raises(RegistryError, match="Restore the artifact"):
        bundle.load(data, signer.verifier)
