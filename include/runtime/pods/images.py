"""Which image the pods of a run are made of: the one that the run began with, whatever is configured by now."""

from include.core import streams
from include.core.errors import DeclarationError
from include.core.events import PodEnded, TrainerImageNamed
from include.core.project import Project
from include.core.records import Run
from include.ledger import Ledger
from include.runtime.pods.endings import PodOutcome
from include.settings import Settings

#: How a pod ends whose image is not there, or is of other code than its run (:mod:`include.elsewhere.pod`).
_OF_NO_USE = (PodOutcome.IMAGE_MISSING, PodOutcome.ORDER_REFUSED)


def named(settings: Settings, project: Project) -> str | None:
    """The image that is configured for the project now; ``None``: none is named."""
    return project.operations.compute.image or settings.trainer_image


def configured(settings: Settings, project: Project) -> str:
    """As :func:`named`.

    Raises:
        DeclarationError: none is named.
    """
    image = named(settings, project)
    if image is None:
        raise DeclarationError(
            "a training pod has an image",
            value="neither the project's Compute nor TRAINYARD_TRAINER_IMAGE names one",
            remedy="Build it with `docker/build`, and name it in TRAINYARD_TRAINER_IMAGE (docs/ops.md).",
        )
    return image


def kept(ledger: Ledger, run: Run) -> str | None:
    """The image that *run* keeps: by the digest that its first pod ran, once the cluster said it, else as it was named.

    ``None``: it keeps none, since none was named when it began, or what was named proved of no use before any pod of it
    trained. What is configured now may be right then; a pod of other code refuses.
    """
    named, of_no_use = None, False
    for entry in ledger.read(streams.run(run.project, run.run_id)):
        match entry.event:
            case TrainerImageNamed(image=image):
                named = image
            case PodEnded(outcome=outcome) if outcome in _OF_NO_USE:
                of_no_use = True
            case PodEnded(image_digest=str(), image=image):
                return image if "@" in image else named
    return None if of_no_use else named


def by_digest(reference: str, image_id: str) -> str | None:
    """*reference* by the digest of *image_id*, which a node says of what runs: so every node may ask for the same.

    ``None``: the node knows no digest under which the reference's registry has it, as of an image loaded into it.
    """
    if "@" in reference:
        return reference
    folder, slash, last = reference.rpartition("/")
    repository = f"{folder}{slash}{last.partition(':')[0]}"
    name, _, digest = image_id.removeprefix("docker-pullable://").rpartition("@")
    same = digest.startswith("sha256:") and name and _in_full(name) == _in_full(repository)
    return f"{repository}@{digest}" if same else None


def _in_full(repository: str) -> str:
    """A repository's name with its registry, as nodes write it."""
    registry, slash, _ = repository.partition("/")
    if slash and (registry == "localhost" or "." in registry or ":" in registry):
        return repository
    return f"docker.io/{repository if slash else f'library/{repository}'}"
