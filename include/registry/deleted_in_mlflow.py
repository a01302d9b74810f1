"""What somebody deleted in MLflow comes back: experiments as MLflow keeps them, versions by the runs that show them.

Nothing goes by what MLflow shows, so nothing that was deleted there may stop a night.
"""

from collections.abc import Iterator, Mapping, MutableMapping
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
    "trainyard.benchmark",
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
    """MLflow's version by ours. MLflow counts for itself: after a version that it never saw, the two differ.

    One whose tag somebody wrote over is none of ours.
    """
    shown = client.search_model_versions(f"name = '{name}'")
    ours = ((_number(version.tags), version.version) for version in shown)
    return {number: theirs for number, theirs in ours if number is not None}


def restored_model(client: "MlflowClient", name: str, experiment: str, *, description: str = "") -> dict[int, str]:
    """Make the registered model *name* with a version for each of the experiment's nights; as :func:`versions_of`."""
    client.create_registered_model(name, description=description)
    shown: dict[int, str] = {}
    found = ((_number(run.data.tags), run) for run in _nights(client, experiment))
    for number, run in sorted(((number, run) for number, run in found if number is not None), key=lambda each: each[0]):
        _restore(client, name, number, run, shown)
    return shown


def restore_version(
    client: "MlflowClient", name: str, experiment: str, version: int, shown: MutableMapping[int, str]
) -> None:
    """Add our *version* to those *shown*, if it is missing and a night of the experiment shows it."""
    if version not in shown:
        for run in _nights(client, experiment, f" and tags.`{VERSION}` = '{version}'"):
            _restore(client, name, version, run, shown)


def _restore(client: "MlflowClient", name: str, version: int, run: Any, shown: MutableMapping[int, str]) -> None:
    if version not in shown:
        tags = {key: run.data.tags[key] for key in _TAGS if key in run.data.tags}
        created = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
        shown[version] = created.version


def _number(tags: Mapping[str, str]) -> int | None:
    number = tags.get(VERSION, "")
    return int(number) if number.isdecimal() else None


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
