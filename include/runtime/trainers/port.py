"""What every runtime asks of the place where training is done, and the table of the places that there are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from include.settings import Placement, Settings

if TYPE_CHECKING:
    from include.core.project import Project
    from include.core.records import Run
    from include.ledger import Ledger
    from include.runtime.pods.sweeping import Over
    from include.steps import Platform
    from include.training.progress import TrainingProgress

#: Called with what training waits for and prints, from threads.
Note = Callable[[str], None]
#: Called with the name of a step that trains and how far it is, from a thread.
OnTraining = Callable[[str, "TrainingProgress"], None]
#: Opens platform and project anew, for the thread or the process that calls it: it can be pickled.
Opener = Callable[[], "tuple[Platform, Project]"]


@dataclass(frozen=True, kw_only=True)
class TaskForm:
    """How Airflow does a step: by the operator of this class path, which is *given* these arguments beside its own."""

    operator: str
    given: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainingPool:
    """A pool that training tasks take slots of; one that is there already may ``keep`` what ops gave it."""

    name: str
    slots: int
    keep: bool = False


def unheard(step: str, progress: "TrainingProgress") -> None:
    """Nobody asks how far training is."""


class Trainer(Protocol):
    """A place to train in, made of a deployment's settings at no cost.

    ``elsewhere``: it is reached over a network, does refits too, and may keep what nobody came back for. ``preloaded``
    names the modules that its tasks import.
    """

    elsewhere: bool
    preloaded: Sequence[str]

    def __init__(self, settings: Settings) -> None: ...

    def image(self, project: "Project") -> str | None:
        """The image that a run of *project* which begins now keeps; ``None``: it is trained in none."""

    def train(
        self,
        run: "Run",
        plan: str,
        shards: Sequence[int | None],
        opened: Opener,
        note: Note,
        on_training: OnTraining = unheard,
    ) -> list[str]:
        """Train all *shards* of *plan* (``None``: refit its winner) and return what each such step returns.

        What is recorded is not trained again. What trains says how far it is by *on_training* or, elsewhere, *note*.
        A signal that ends this process ends what it began.

        Raises:
            TrainyardError: of the first that fails, when all have ended.
        """

    def task(self, step: str, project: "Project") -> TaskForm:
        """How Airflow does the placed *step*.

        Raises:
            DeclarationError: it would wait for ever.
        """

    def pools(self) -> Iterable[TrainingPool]:
        """The pools that such tasks take slots of."""

    def require_ready(self, project: "Project") -> str:
        """In what *project* would be trained, where nothing is known that would keep it from that.

        Raises:
            TrainyardError: something is; names it.
        """

    def sweep(self, ledger: "Ledger", *, over: "Over", now: datetime) -> None:
        """Remove what runs left that nobody will take up again, those that are *over* by *now* (UTC) among them."""


#: The class of each, below this room: no other night imports it.
_TRAINERS = {
    Placement.LOCAL: "processes:ProcessTrainer",
    Placement.KUBERNETES: "pods:PodTrainer",
}


def trainer_of(settings: Settings) -> Trainer:
    """The place that *settings* name."""
    made: type[Trainer] = resolve_name(f"{__package__}.{_TRAINERS[settings.placement]}")
    return made(settings)
