"""The Astro layout: what `astro dev start` reads beside the code, and that it agrees with the rest."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from include.runtime.embedded.pools import GATE_SLOTS
from include.runtime.trainers.processes import TRAINING_SLOTS

ROOT = Path(__file__).resolve().parent.parent

#: What the Astro CLI reads of a pool; it passes over any other key in silence.
POOL_KEYS = {"pool_name", "pool_slot", "pool_description"}


def instructions() -> list[str]:
    """The Dockerfile's instructions, one a line, without comments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    return [re.sub(r"\s+", " ", line) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def image() -> re.Match[str]:
    first = instructions()[0]
    found = re.fullmatch(r"FROM astrocrpublic\.azurecr\.io/runtime:(\d+\.\d+)-\d+-python-(\d+\.\d+)-base", first)
    assert found, f"{first!r} is no Astro Runtime with its version and Python named, and without ONBUILD steps"
    return found


def pools() -> list[dict[str, object]]:
    declared: list[dict[str, object]] = yaml.safe_load((ROOT / "airflow_settings.yaml").read_text())["airflow"]["pools"]
    return declared


def test_the_image_carries_the_airflow_that_is_pinned() -> None:
    pinned = re.search(r"^apache-airflow==(\d+\.\d+)\.", (ROOT / "requirements.txt").read_text(), re.M)
    assert pinned
    assert image()[1] == pinned[1]


def test_the_image_runs_a_supported_python() -> None:
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert image()[2] in SpecifierSet(supported)


def test_the_image_installs_the_complete_requirements_without_constraints_of_its_own() -> None:
    install = [line for line in instructions() if "pip install" in line]
    assert len(install) == 1
    assert install[0].endswith(" -r requirements.txt")
    assert "-u UV_CONSTRAINT -u PIP_CONSTRAINT" in install[0]


def test_the_image_installs_the_system_packages_and_runs_as_an_ordinary_user() -> None:
    lines = instructions()
    assert any("packages.txt | xargs apt-get install" in line for line in lines)
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER astro"
    assert "COPY --chown=astro:0 . ." in lines


def test_the_system_packages_hold_what_lightgbm_loads() -> None:
    assert "libgomp1" in (ROOT / "packages.txt").read_text().split()


def test_a_system_package_is_a_plain_name_for_apt() -> None:
    for line in (ROOT / "packages.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line), line


def test_pools_are_written_in_the_form_that_the_astro_cli_reads() -> None:
    for pool in pools():
        assert set(pool) == POOL_KEYS
        assert isinstance(pool["pool_slot"], int)
        assert pool["pool_slot"] > 0, "the Astro CLI passes over a pool without slots"


def test_the_pools_are_those_that_an_embedded_airflow_makes() -> None:
    made = {"training": TRAINING_SLOTS, "gates": GATE_SLOTS}
    assert {pool["pool_name"]: pool["pool_slot"] for pool in pools()} == made


def test_every_pool_that_a_task_names_is_declared() -> None:
    declared = {str(pool["pool_name"]) for pool in pools()} | {"default_pool"}
    for folder in ("dags", "plugins", "include"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            named = set(re.findall(r"\bpool=[\"'](\w+)[\"']", path.read_text()))
            assert named <= declared, f"{path.relative_to(ROOT)} names {named - declared}"


def test_the_image_holds_the_code_and_no_secret_or_working_state() -> None:
    ignored = {line.rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    assert {".env", ".git", ".venv", ".trainyard"} <= ignored
    assert ignored.isdisjoint({"dags", "plugins", "include", "config", "tests", "packages.txt", "requirements.txt"})


def test_the_astro_project_has_a_name_and_a_database_that_the_ledger_supports() -> None:
    config = yaml.safe_load((ROOT / ".astro" / "config.yaml").read_text())
    assert config["project"]["name"] == "trainyard"
    assert int(config["postgres"]["tag"]) >= 13


def test_the_image_needs_no_requirement_that_only_another_platform_has() -> None:
    """Every pin either holds for Linux or says by a marker that it does not."""
    environment = {"sys_platform": "linux", "python_version": image()[2], "python_full_version": f"{image()[2]}.0"}
    pins = [Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if line.strip()]
    names = [pin.name for pin in pins if pin.marker is None or pin.marker.evaluate(environment)]
    assert len(names) == len(set(names))
    assert "apache-airflow" in names
