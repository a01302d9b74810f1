"""By what code and packages an order is carried out, wherever that is: none other may."""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from include.core.canonical import record_digest

#: What decides the losses of a trial, or a model, given its data and parameters.
_ENGINE_FILES = (
    "data/losses.py",
    "training/booster.py",
    "training/metrics.py",
    "training/refit.py",
    "training/trial.py",
)
#: What to do where another code wrote an order than reads it.
OTHER_CODE = (
    "Build the trainer image again from the checkout that the run began with, name it in TRAINYARD_TRAINER_IMAGE and "
    "clear the task; or start another run, whose pods are made of the image that is configured then."
)
_ENGINE_PACKAGES = ("lightgbm", "numpy")


@cache
def digest() -> str:
    """The digest of what computes losses and models in this process: our code, and the packages that it calls."""
    folder = Path(__file__).parent.parent
    files = [(name, sha256((folder / name).read_bytes()).hexdigest()) for name in _ENGINE_FILES]
    return record_digest([*files, *((name, version(name)) for name in _ENGINE_PACKAGES)])
