"""What somebody deleted in MLflow comes back: experiments as MLflow keeps them, versions by the runs that show them.

Nothing goes by what MLflow shows, so nothing that was deleted there may stop a night.
"""

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

VERSION, EVALUATION = "trainyard.version", "trainyard.evaluation"
#: The tags that a version has; its run has them too.
_TAGS = (
    VERSION,
    EVALUATION,
    "trainyard.bundle",
    "trainyard.model",
    "trainyard.files",
    "trainyard.plan",
    "trainyard.features",
    "trainyard.trial",
    "trainyard.promoted",
    "trainyard.reasons",
)


def experiment_of(client: "MlflowClient", name: str) -> str | None:
    """The id of the experiment *name*, in use again if somebody deleted it; ``None``: there is none.

    MLflow keeps a deleted one, and its name with it: it is found by that, and takes no run.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        return None
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def versions_of(client: "MlflowClient", name: str) -> dict[int, str]:
    """MLflow's version by ours. MLflow counts for itself: after a version that it never saw, the two differ."""
    shown = client.search_model_versions(f"name = '{name}'")
    return {int(version.tags[VERSION]): version.version for version in shown if VERSION in version.tags}


def restored_model(client: "MlflowClient", name: str, experiment: str, *, description: str = "") -> dict[int, str]:
    """Make the registered model *name* with a version for each of the experiment's nights; as :func:`versions_of`."""
    client.create_registered_model(name, description=description)
    shown: dict[int, str] = {}
    for run in sorted(_nights(client, experiment), key=_version_of):
        _restore(client, name, run, shown)
    return shown


def restore_version(
    client: "MlflowClient", name: str, experiment: str, version: int, shown: MutableMapping[int, str]
) -> None:
    """Add our *version* to those *shown*, if it is missing and a night of the experiment shows it."""
    if version not in shown:
        for run in _nights(client, experiment, f" and tags.`{VERSION}` = '{version}'"):
            _restore(client, name, run, shown)


def _restore(client: "MlflowClient", name: str, run: Any, shown: MutableMapping[int, str]) -> None:
    version = _version_of(run)
    if version not in shown:
        tags = {key: run.data.tags[key] for key in _TAGS if key in run.data.tags}
        created = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
        shown[version] = created.version


def _version_of(run: Any) -> int:
    return int(run.data.tags[VERSION])


def _nights(client: "MlflowClient", experiment: str, more: str = "") -> Iterator[Any]:
    """The runs that show a registered version whole; those of trials have no such tag."""
    token = None
    while True:
        wanted = f"attributes.status = 'FINISHED' and tags.`{VERSION}` LIKE '%'{more}"
        found = client.search_runs([experiment], wanted, page_token=token)
        yield from found
        token = found.token
        if not token:
            return
