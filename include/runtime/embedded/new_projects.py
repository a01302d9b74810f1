"""New projects in an Airflow whose new DAGs begin paused: those whose data go on are begun, the others say why not.

A project whose data end in the past would fail each night by its schedule, and tell ops each time.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from include.contracts import load_folder
from include.core.errors import TrainyardError
from include.core.records import DAY, last_day
from include.runtime.airflow.names import dag_id_of, watch_dag_id_of
from include.runtime.code.projects import load_project, project_names
from include.runtime.embedded.client import Client
from include.runtime.embedded.environment import airflow_home
from include.settings import Settings

#: Yesterday's data may land at any hour of today.
_LANDS_WITHIN = 1 * DAY
_PAGE = 100


def why_not(settings: Settings, project: str, *, now: datetime) -> str | None:
    """Why nights of *project* by its schedule would find no data; ``None``: for all that is known they would find them.

    Only the dataset that the project predicts for is looked at, and of that only which days there are.

    Raises:
        TrainyardError: the project cannot be loaded, or the dataset's contract cannot be used.
    """
    from include.data.sources import source_of

    dataset = load_project(project, settings.projects).learning.target.dataset
    contract = load_folder(settings.contracts, settings.classes)[dataset]
    try:
        source = source_of(contract, settings.production, settings.source_credentials_file)
        if source.is_empty():
            return f"no data lies in {source.shown}"
        filed = source.filed()
    except OSError as error:
        return f"this account cannot look at {error.filename} ({error.strerror})"
    if filed is None or filed.last >= last_day(now) - _LANDS_WITHIN:
        return None
    return f"its data end on {filed.last}"


class Beginnings:
    """Looks after each DAG of a project once: after what was there before the first of these looks, never.

    What cannot be loaded, as a project that is saved in part, is looked after when it can. Which were looked after is
    kept in the home: what people pause later stays paused.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = airflow_home(settings) / "beginnings.json"
        try:
            kept = json.loads(self._file.read_text())
        except FileNotFoundError:
            kept = {"since": datetime.now(UTC).isoformat(), "known": []}
        self._since, self._known = datetime.fromisoformat(kept["since"]), set(kept["known"])
        self._faults: dict[str, str] = {}
        self._keep()

    def look(self, client: Client) -> Iterator[str]:
        """Begin what is new and has data; a line for each new project that stays paused."""
        new = self._new(client)
        for project in project_names(self._settings.projects):
            ours = [dag_id for dag_id in (dag_id_of(project), watch_dag_id_of(project)) if dag_id in new]
            if not ours:
                continue
            try:
                reason = why_not(self._settings, project, now=datetime.now(UTC))
            except TrainyardError as error:
                if self._faults.get(project) != str(error):
                    self._faults[project] = str(error)
                    yield f"{project} stays paused until it can be loaded: {error}"
                continue
            if reason is None:
                for dag_id in ours:
                    client.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
            elif dag_id_of(project) in ours:
                yield (
                    f"{project} begins paused: {reason}. Once its data go on, unpause {dag_id_of(project)} and "
                    f"{watch_dag_id_of(project)}; for a night of the past, trigger the DAG with its instant."
                )
            self._known.update(ours)
            self._keep()

    def _new(self, client: Client) -> set[str]:
        """The paused DAGs that nobody can have paused: they were never looked after."""
        found = set()
        for dag_id in paused_dags(client) - self._known:
            versions = client.call("GET", f"/api/v2/dags/{dag_id}/dagVersions?order_by=version_number&limit=1")
            made = [datetime.fromisoformat(one["created_at"]) for one in versions["dag_versions"]]
            if made and made[0] >= self._since:
                found.add(dag_id)
            elif made:
                self._known.add(dag_id)
        return found

    def _keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({"since": self._since.isoformat(), "known": sorted(self._known)}))
        draft.replace(self._file)


def paused_dags(client: Client) -> set[str]:
    """The ids of the DAGs that are paused.

    Raises:
        AirflowRefused: the API does not answer.
    """
    found: set[str] = set()
    while True:
        page = client.call("GET", f"/api/v2/dags?paused=true&limit={_PAGE}&offset={len(found)}&order_by=dag_id")
        ids = {dag["dag_id"] for dag in page["dags"]}
        found |= ids
        if len(ids) < _PAGE:
            return found
