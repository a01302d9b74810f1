"""What each of Airflow's four processes is told: addresses, secrets and limits, as environment variables."""

import json
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.governance.secrets import keep
from include.runtime.embedded import stewards
from include.settings import ROOT, Process, Settings

#: The four processes, in the order in which they start; the name is also the `airflow` sub-command.
API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER = "api-server", "scheduler", "dag-processor", "triggerer"
PROCESSES = (API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER)

#: The people of the demo, each with the role that Airflow's simple authentication knows. Who is a steward is said by
#: the data contracts, not by a role.
USERS = {"ada": "admin", "olly": "op", "dana": "user", "steward": "user"}

#: How many tasks run at once, at most. A worker notices only at its next heartbeat that its task has ended: there are
#: more of them than tasks that compute (which the pool of training tasks limits).
PARALLELISM = 6

_LOOPBACK = "127.0.0.1"
_QUIET = {  # and nothing phones home
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONUNBUFFERED": "1",
    "NO_COLOR": "1",
}


#: Airflow's options that are the same in each home, by their sections.
_ALIKE: Mapping[str, Mapping[str, object]] = {
    "core": {
        "executor": "include.runtime.airflow.executor.PromptExecutor",
        "parallelism": PARALLELISM,
        "dags_folder": ROOT / "dags",
        "plugins_folder": ROOT / "plugins",
        "load_examples": False,
        "min_serialized_dag_update_interval": 2,
        "hostname_callable": "include.runtime.embedded.environment.loopback",
    },
    "api": {
        "host": _LOOPBACK,
        "workers": 1,
        "worker_timeout": 5,  # also how long a stopping server waits for open connections, the UI's among them
    },
    "dag_processor": {
        # A new project is a new folder beside an unchanged DAG file: the file is read again every ten seconds.
        "refresh_interval": 5,
        "min_file_process_interval": 10,
        "parsing_processes": 1,
        "stale_dag_threshold": 20,
        "print_stats_interval": 0,
    },
    "scheduler": {
        "scheduler_idle_sleep_time": 0,  # its executor waits
        "enable_health_check": False,
        # What a killed scheduler or task left behind is taken up again within a minute.
        "scheduler_health_check_threshold": 20,
        "orphaned_tasks_check_interval": 20,
        "task_instance_heartbeat_timeout": 40,
        "task_instance_heartbeat_timeout_detection_interval": 5,
        "catchup_by_default": False,
    },
    "workers": {"min_heartbeat_interval": 1},
    "openlineage": {
        "transport": json.dumps({"type": "include.runtime.airflow.transport.LedgerTransport"}),
        "namespace": "trainyard",
        # A forked emitter inherits the task's connection to its supervisor, and can leave the task running.
        "execute_in_thread": True,
    },
}


@dataclass(frozen=True, kw_only=True)
class AirflowSecrets:
    """What Airflow signs and encrypts with, and the passwords of its users. Kept in two files of mode 0600."""

    jwt: str
    session: str
    fernet: str
    passwords: Mapping[str, str]


def users_of(settings: Settings) -> Mapping[str, str]:
    """Who may sign in, each with their role: the people of the demo, every steward of a contract in effect, and whom
    :func:`introduce` let in to adopt a new one. Names that the auth manager could not take for one are left out.
    """
    known = (
        json.loads(passwords_file(settings).read_bytes()).keys() if passwords_file(settings).exists() else set[str]()
    )
    found = stewards.of_adopted(settings) | (stewards.of_new(settings) & known)
    named = {name for name in found if name.isprintable() and not {",", ":"} & set(name)}
    return USERS | {name: "user" for name in sorted(named - USERS.keys())}


def introduce(settings: Settings, user: str) -> None:
    """Let *user* sign in to the embedded Airflow, if a contract that nobody ever adopted names them as a steward."""
    if user in stewards.of_new(settings):
        _with_passwords(settings, {user})


def users_option(settings: Settings) -> str:
    """:func:`users_of`, as Airflow's simple auth manager takes them."""
    return ",".join(f"{user}:{role}" for user, role in users_of(settings).items())


def airflow_home(settings: Settings) -> Path:
    """The folder of everything that Airflow writes itself."""
    return settings.home / "airflow"


def passwords_file(settings: Settings) -> Path:
    """The file that holds the generated passwords, by user (JSON, mode 0600)."""
    return airflow_home(settings) / "passwords.json"


def secrets_of(settings: Settings) -> AirflowSecrets:
    """The secrets of this home, generated on first use and kept; a steward who is new gets a password."""
    made = {
        "jwt": secrets.token_hex(64),
        "session": secrets.token_hex(32),
        "fernet": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    kept = json.loads(keep(airflow_home(settings) / "secrets.json", json.dumps(made).encode))
    passwords = _with_passwords(settings, users_of(settings).keys())
    return AirflowSecrets(jwt=kept["jwt"], session=kept["session"], fernet=kept["fernet"], passwords=passwords)


def _with_passwords(settings: Settings, users: Collection[str]) -> dict[str, str]:
    passwords: dict[str, str] = json.loads(keep(passwords_file(settings), lambda: b"{}"))
    missing = set(users) - passwords.keys()
    if missing:
        passwords |= {user: secrets.token_urlsafe(12) for user in sorted(missing)}
        draft = passwords_file(settings).with_suffix(f".{os.getpid()}")
        draft.touch(0o600)
        draft.write_text(json.dumps(passwords))
        draft.replace(passwords_file(settings))
    return passwords


def environment_of(
    process: str, settings: Settings, *, port: int, base: Mapping[str, str], new_paused: bool = False
) -> dict[str, str]:
    """The environment of *process*: *base* (this process's own), our settings, and Airflow's.

    Only the API server gets the place of the grant-signing key. That is convention, no control, since all run as one
    operating-system user: the others record of the separation of duties that it is not shown. *new_paused*: a DAG that
    is new begins paused, unless it says otherwise itself.
    """
    kept = {name: value for name, value in base.items() if not name.startswith(("AIRFLOW_", "TRAINYARD_"))}
    test_only = {name: value for name, value in base.items() if name.startswith("TRAINYARD_TEST_")}
    told = settings.environment(Process.SERVER if process == API_SERVER else Process.WORKER)
    ours = {"TRAINYARD_AUTHORITY_KEYS": str(airflow_home(settings) / "not-told")} | told
    database = {name: value for name, value in base.items() if name.startswith("AIRFLOW__DATABASE__")}
    python_path = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "config"), base.get("PYTHONPATH")]))
    # A proxy that the user's shell names must not see calls between our own processes.
    no_proxy = ",".join(filter(None, [base.get("NO_PROXY"), _LOOPBACK, "localhost"]))
    return {
        **kept,
        **test_only,
        **ours,
        **_airflow_environment(settings, port),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": str(new_paused),
        **_QUIET,
        **database,
        "PYTHONPATH": python_path,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), base.get("PATH", os.defpath)]),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _airflow_environment(settings: Settings, port: int) -> dict[str, str]:
    home, kept = airflow_home(settings), secrets_of(settings)
    address = f"http://{_LOOPBACK}:{port}"
    own: dict[str, dict[str, object]] = {
        "core": {
            "fernet_key": kept.fernet,
            "execution_api_server_url": f"{address}/execution/",
            "simple_auth_manager_users": users_option(settings),
            "simple_auth_manager_passwords_file": passwords_file(settings),
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "api": {"port": port, "base_url": address, "secret_key": kept.session},
        "api_auth": {"jwt_secret": kept.jwt, "jwt_issuer": "trainyard"},
        "logging": {"base_log_folder": home / "logs", "dag_processor_child_process_log_directory": home / "logs/dags"},
    }
    flat = {
        f"AIRFLOW__{section}__{option}".upper(): str(value)
        for options in (_ALIKE, own)
        for section, values in options.items()
        for option, value in values.items()
    }
    return {"AIRFLOW_HOME": str(home), **flat}


def loopback() -> str:
    """What our processes call their host: log links never leave this machine."""
    return _LOOPBACK
