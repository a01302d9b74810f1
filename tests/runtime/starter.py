"""Starts an Airflow and stays, as the demo does; a test kills it. Arguments: home, projects, production, port."""

import sys
import time
from pathlib import Path

from include.runtime.embedded import process
from include.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def settings_of(home: Path, projects: Path, production: Path) -> Settings:
    return Settings.from_environment(
        {
            "TRAINYARD_HOME": str(home),
            "TRAINYARD_PROJECTS": str(projects),
            "TRAINYARD_PRODUCTION": str(production),
            "TRAINYARD_USER": "dana",
        }
    )


def main() -> None:
    home, projects, production, port = sys.argv[1:]
    process.start(settings_of(Path(home), Path(projects), Path(production)), port=int(port))
    print("ready", flush=True)  # noqa: T201  # the test waits for it
    time.sleep(600)


if __name__ == "__main__":
    main()
