"""Whether store and vault hold what the ledger says of registered models, and each artifact is what its name says."""

from collections.abc import Iterator

from include.audit.comparison import Fault
from include.core.errors import StoreError, StoreUnavailable
from include.core.events import ArtifactsRemoved, ModelRegistered
from include.ledger import Ledger
from include.store import Store


def missing(ledger: Ledger, store: Store, vault: Store) -> Iterator[Fault]:
    """What was registered, has no tombstone, and is not there: by the position of the registration.

    Raises:
        StoreUnavailable: store or vault cannot be reached.
    """
    removed = {digest for _, event in ledger.all_of(ArtifactsRemoved) for digest in event.artifacts}
    for entry, event in ledger.all_of(ModelRegistered):
        version = f"version {event.model_version} of {event.project}"
        for where, kept, what, digest in (
            ("vault", vault, "the model", event.bundle),
            ("store", store, "the evaluation", event.evaluation),
        ):
            if digest not in removed and not kept.has(digest):
                text = f"position {entry.position} registered {version}: {what} ({digest}) is missing in the {where}"
                yield Fault(text=text, position=entry.position)


def altered(where: str, kept: Store) -> Iterator[Fault | None]:
    """Read through all that lies in *kept*: of each artifact whether it is another than its name says; ``None``: no.

    Raises:
        StoreUnavailable: it cannot be reached.
    """
    for digest in kept.digests():
        try:
            kept.verify(digest)
        except StoreUnavailable:
            raise
        except StoreError as error:
            yield Fault(text=f"{where}: {error.value}")
        else:
            yield None
