"""By what code and packages an order is carried out, wherever that is: none other may."""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from include.core.canonical import record_digest
from include.core.search import LearnerName
from include.learner import learner

#: What decides the losses of a trial, or a model, given its data and parameters, beside the files of its learner.
_SHARED_FILES = (
    "data/losses.py",
    "learner/__init__.py",
    "learner/port.py",
    "training/checkpoints.py",
    "training/metrics.py",
    "training/refit.py",
    "training/trial.py",
)
#: What decides a benchmark beside its learner.
_BESIDE = ("training/benchmark.py",)
#: What to do where another code wrote an order than reads it.
OTHER_CODE = (
    "Build the trainer image again from the checkout that the run began with, name it in TRAINYARD_TRAINER_IMAGE and "
    "clear the task; or start another run, whose pods are made of the image that is configured then."
)


@cache
def digest(*names: LearnerName) -> str:
    """The digest of what computes losses and models of the learners *names* in this process; of all, if none is named.

    That is our code, and the packages that it calls.
    """
    folder = Path(__file__).parent.parent
    learners = [learner(name) for name in names or LearnerName]
    files = [folder / name for name in (*_SHARED_FILES, *(() if names else _BESIDE))]
    for each in learners:
        files += sorted((folder / Path(*type(each).__module__.split(".")[1:])).rglob("*.py"))
    packages = sorted({"numpy", *(name for each in learners for name in each.packages)})
    contents = [(file.relative_to(folder).as_posix(), sha256(file.read_bytes()).hexdigest()) for file in files]
    return record_digest([*contents, *((name, version(name)) for name in packages)])
