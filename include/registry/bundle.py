"""A model and all that is needed to use it, in one signed artifact: its text and a manifest, never a pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Protocol, Union

from include.core.canonical import LATER, decode, digest_of, encode
from include.core.card import Card
from include.core.errors import AuthorityError, DataError, RegistryError
from include.core.project import Objective, Project
from include.core.records import Evaluation, FeatureSet, FeatureSpec, Params, UnfamiliarValues

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from include.governance.signing import Signer, Verifier
    from include.governance.vault import OpenedArtifacts
    from include.registry.champions import Version

PAYLOAD_TYPE = "application/vnd.trainyard.model+json"


class BundleVault(Protocol):
    """Where bundles go (:class:`include.governance.vault.Vault`): a model is made of personal data."""

    def put(self, data: bytes) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a model is and what it was made of. ``model`` is the digest of the model text, ``features`` are its columns
    in their order, ``label`` is the digest of its label's definition, ``learnt_until`` the last day (inclusive) that it
    learnt; ``feature_set``, ``plan``, ``evaluation`` and ``snapshot`` are digests of the night's manifests. ``card`` is
    what its owners say of it.
    """

    project: str
    purpose: str
    objective: Objective
    label: str
    learnt_until: date
    key: tuple[str, ...]
    features: tuple[FeatureSpec, ...]
    params: Params
    metrics: Mapping[str, float]
    trial_id: str
    model: str
    snapshot: str
    feature_set: str
    plan: str
    evaluation: str
    card: Card | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class _Bundle:
    """``envelope`` is a DSSE envelope over the canonical :class:`Manifest`, which names the digest of ``model``."""

    envelope: str
    model: str


class Champion:
    """A model that was loaded from its bundle. It predicts from feature columns by name, in any order."""

    def __init__(self, manifest: Manifest, model_text: str) -> None:
        from include.learner import load

        self.manifest = manifest
        self._model = load(model_text)

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        return self.manifest.features

    def predict(self, rows: Union["pa.Table", "pd.DataFrame"]) -> "NDArray[np.float64]":
        """Probabilities of class 1 (binary) or numbers (regression), one a row, in the rows' order.

        *rows* holds at least the columns of ``features``; a category that training never saw counts as missing.

        Raises:
            DataError: a feature's column is missing, or is neither a number, a boolean nor a category.
        """
        from include.data.encoding import encode_features

        return self._model.predict(encode_features(self._table(rows), self.features))

    def unfamiliar(self, rows: Union["pa.Table", "pd.DataFrame"]) -> tuple[UnfamiliarValues, ...]:
        """Of which features how many of *rows* are unlike all that the model learnt from, so that it can only guess.

        Raises:
            DataError: as :meth:`predict`.
        """
        from include.registry.familiar_values import unfamiliar

        return unfamiliar(self._model, self.features, self._table(rows))

    def importance(self) -> dict[str, float]:
        """Of each feature that the model uses, its share of what all of them do; they add up to 1."""
        return {self.features[place].name: share for place, share in self._model.importance().items()}

    def _table(self, rows: Union["pa.Table", "pd.DataFrame"]) -> "pa.Table":
        import pyarrow as pa

        if isinstance(rows, pa.Table):
            return rows
        names = [feature.name for feature in self.features if feature.name in rows.columns]
        try:
            return pa.Table.from_pandas(rows[names], preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            # Arrow's own text quotes the cell.
            raise DataError(
                "a feature's column holds values of one type",
                value=f"mixed types among {', '.join(names)}",
                remedy="Make each of these columns numbers or strings throughout.",
            ) from None


def pack(
    *,
    evaluation: Evaluation,
    evaluation_digest: str,
    features: FeatureSet,
    project: Project,
    opened: "OpenedArtifacts",
    vault: BundleVault,
    signer: "Signer",
) -> str:
    """Sign the evaluated model and put its bundle into the vault: the bundle's digest. Same inputs, same digest.

    *opened* holds ``evaluation.model``.
    """
    manifest = Manifest(
        project=project.name,
        purpose=project.ownership.purpose,
        objective=evaluation.objective,
        label=features.label,
        learnt_until=features.split.validation.last,
        key=features.key,
        features=features.features,
        params=evaluation.params,
        metrics=evaluation.metrics,
        trial_id=evaluation.trial_id,
        model=evaluation.model,
        snapshot=features.snapshot,
        feature_set=evaluation.features,
        plan=evaluation.plan,
        evaluation=evaluation_digest,
        card=project.ownership.card,
    )
    envelope = signer.sign(PAYLOAD_TYPE, encode(manifest))
    return vault.put(encode(_Bundle(envelope=envelope, model=opened.bytes(evaluation.model).decode())))


def verify(bundle: bytes, verifier: "Verifier") -> Manifest:
    """The manifest of *bundle*, signed by the key of *verifier* and true of the model text beside it.

    Raises:
        RegistryError: it is no bundle, or was altered, or another key signed it.
    """
    return _opened(bundle, verifier)[0]


def load(bundle: bytes, verifier: "Verifier") -> Champion:
    """The model of *bundle*, verified first.

    Raises:
        RegistryError: as :func:`verify`.
    """
    return Champion(*_opened(bundle, verifier))


def load_version(bundle: bytes, verifier: "Verifier", version: "Version") -> Champion:
    """The model of *bundle*, verified first, and that it is the one that was decided about as *version*.

    Raises:
        RegistryError: as :func:`verify`, or it is the model of another evaluation.
    """
    champion = load(bundle, verifier)
    manifest, registered, decision = champion.manifest, version.registered, version.decision
    if (manifest.project, manifest.evaluation) != (registered.project, registered.evaluation):
        raise _refused("the model of another evaluation than its version was decided on")
    if decision is not None and manifest.model != decision.model:
        raise _refused("another model than its version was decided on")
    return champion


def _opened(bundle: bytes, verifier: "Verifier") -> tuple[Manifest, str]:
    try:
        packed = decode(_Bundle, bundle)
        payload = verifier.verify(packed.envelope, PAYLOAD_TYPE)
        manifest = decode(Manifest, payload)
    except AuthorityError as error:
        raise _refused(str(error.value)) from None
    except ValueError as error:
        raise _refused(f"no bundle ({type(error).__name__})") from None
    if digest_of(packed.model.encode()) != manifest.model:
        raise _refused("a model text that the manifest does not name")
    return manifest, packed.model


def _refused(found: str) -> RegistryError:
    return RegistryError(
        "a model bundle is signed by this installation and unaltered",
        value=found,
        remedy="Restore the artifact from a copy, or train the model again.",
    )
