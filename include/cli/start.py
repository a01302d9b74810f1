"""``start``: Airflow for one's own projects, until Ctrl-C."""

from include.cli.console import console
from include.cli.service import Port
from include.cli.signals import unwound_by_signals
from include.runtime import deployment
from include.runtime.embedded import process
from include.runtime.embedded.client import AirflowRefused
from include.runtime.embedded.environment import passwords_file
from include.settings import Settings

#: A new project is shown, and begun, within some seconds.
_LOOK_SECONDS = 5


def start(port: Port = 8080) -> None:
    """Start Airflow for the declared projects, and stay until Ctrl-C: whatever of it ends is started again.

    A new project whose data end in the past begins paused.
    """
    from include.runtime.embedded.new_projects import Beginnings

    settings = Settings.from_environment()
    process.require_startable(settings, port=port)
    deployment.prepare(settings)
    deployment.versions_of(settings).prepare()
    beginnings = Beginnings(settings)
    with unwound_by_signals(), process.running(settings, port=port, progress=console.say, new_paused=True) as airflow:
        console.say(f"Sign in by a name of {passwords_file(settings)}, which has the passwords; Ctrl-C ends it all.")
        while not airflow.wait(_LOOK_SECONDS):
            try:
                with airflow.client("ada") as client:
                    for told in beginnings.look(client):
                        console.say(told)
            except AirflowRefused:  # busy, or being started again: the next look sees it
                continue
        console.say("Airflow was stopped.")
