"""The files that MLflow has of a version: its model, or a pointer to it, and its plots."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core.project import Project
from include.core.records import Promotion

if TYPE_CHECKING:
    from mlflow import MlflowClient


def log_pointer(client: "MlflowClient", run: Any, project: Project, promotion: Promotion) -> None:
    """Show where the model is, and how it is opened."""
    client.log_text(
        run.info.run_id,
        f"The model is not here: it is made of personal data, and opens under a grant, with a receipt.\n\n"
        f"project {project.name}, version {promotion.version}, bundle {promotion.bundle}\n\n"
        "The champion is loaded with\n\n"
        "    from include.runtime.code.projects import load_project\n"
        "    from include.runtime.nights.scoring import load_champion\n"
        "    from include.settings import Settings\n\n"
        "    settings = Settings.from_environment()\n"
        f'    champion = load_champion(settings, load_project("{project.name}", settings.projects))\n\n'
        "A project that declares `Operations(copy_model=True)`, and whose stewards grant that, has its models here.\n",
        "model/pointer.md",
    )


def log_model(client: "MlflowClient", run: Any, model_text: str) -> None:
    """Show the model itself, as MLflow loads it."""
    from include.learner import load

    with TemporaryDirectory() as folder:
        load(model_text).write_for_mlflow(Path(folder) / "model")
        client.log_artifacts(run.info.run_id, folder)


def log_plots(client: "MlflowClient", run: Any, plots: Mapping[str, str]) -> bool:
    """Show *plots* (SVG by file name), where there can be files of the run; repeated, they are the same files."""
    try:
        for name, drawn in sorted(plots.items()):
            client.log_text(run.info.run_id, drawn, f"plots/{name}")
    except (PermissionError, FileExistsError, NotADirectoryError):  # no fault of the moment: a retry heals none
        return False
    return True
