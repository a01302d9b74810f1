"""What every task would compute anew, computed once before the fork: pure Python, no thread, no connection."""

from contextlib import suppress

from include.core.errors import TrainyardError
from include.runtime.code.digest import rooms_of_this_process


def warm() -> None:
    """Fill the caches of this process that its forked children inherit.

    A contract whose file changes later is read again, since the cache knows contracts by their bytes. What cannot be
    computed here raises where a task needs it.
    """
    rooms_of_this_process().counted  # noqa: B018  # kept by the record itself
    _decoders()
    _contracts()
    _libraries()


def _decoders() -> None:
    from include.core.canonical import prepare
    from include.core.records import Evaluation, FeatureSet, Plan, Promotion, Snapshot, Validation
    from include.declared.declaration import Declaration
    from include.ledger.kinds import KINDS

    prepare(*KINDS.values(), Declaration, Snapshot, Validation, FeatureSet, Plan, Evaluation, Promotion)


def _contracts() -> None:
    from include.contracts import load_folder
    from include.settings import Settings

    with suppress(TrainyardError):  # each task tells it, with its file and remedy
        settings = Settings.from_environment()
        load_folder(settings.contracts, settings.classes)


def _libraries() -> None:
    import mlflow
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    from include.core.search import LearnerName
    from include.learner import learner

    # MLflow maps all installed packages to their modules before it saves a model: half a second.
    warn_dependency_requirement_mismatches([f"mlflow=={mlflow.__version__}"])
    for name in LearnerName:
        learner(name).preload()
