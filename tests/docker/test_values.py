"""The values for Airflow's chart: what each process finds of the keys, from the secrets that docs/ops.md makes."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.core.errors import AuthorityError
from include.governance import secrets
from include.runtime import deployment
from include.runtime.server.service import open_authority
from include.settings import ROOT, Settings

VALUES: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "kubernetes" / "values.yaml").read_text())
ENVIRONMENT = {each["name"]: each["value"] for each in VALUES["env"]}


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    """A deployment whose keys are there, and become the secrets."""
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home")})
    deployment.prepare(settings)
    open_authority(settings)
    return settings


def started(pod: Path, process: str, made: Settings) -> Settings:
    """The settings of *process*, with what its volumes hold below *pod* once its init containers have ended."""
    values = VALUES[process]
    volumes = {volume["name"]: _volume(pod, volume, made) for volume in values["extraVolumes"]}
    for container in values.get("extraInitContainers", ()):
        words = " ".join(container["command"][2:])
        for mount in container["volumeMounts"]:
            words = words.replace(mount["mountPath"], str(volumes[mount["name"]]))
        subprocess.run([*container["command"][:2], words], check=True)
    mounted = {mount["mountPath"]: str(volumes[mount["name"]]) for mount in values["extraVolumeMounts"]}
    named = {name: mounted.get(ENVIRONMENT[name], str(pod / "nothing")) for name in KEYS}
    return Settings.from_environment({"TRAINYARD_HOME": str(made.home), **named})


KEYS = ("TRAINYARD_KEYS", "TRAINYARD_AUTHORITY_KEYS")


def _volume(pod: Path, volume: dict[str, Any], made: Settings) -> Path:
    """The folder that a volume is: as Kubernetes does, a secret's files are links, with the mode that it is given."""
    folder = pod / volume["name"]
    folder.mkdir(parents=True)
    if "secret" in volume:
        secret = volume["secret"]
        source = {"trainyard-keys": made.keys, "trainyard-authority": made.authority_keys}[secret["secretName"]]
        (folder / "..data").mkdir()
        names = [item["key"] for item in secret.get("items", ())]
        for file in (source / name for name in names) if names else (f for f in source.iterdir() if f.is_file()):
            shutil.copyfile(file, folder / "..data" / file.name)
            (folder / "..data" / file.name).chmod(secret["defaultMode"])
            (folder / file.name).symlink_to(f"..data/{file.name}")
    return folder


@pytest.mark.parametrize("process", ["scheduler", "triggerer"])
def test_a_process_that_runs_steps_reads_its_keys_and_has_no_key_to_sign_grants(
    tmp_path: Path, made: Settings, process: str
) -> None:
    settings = started(tmp_path / "pod", process, made)
    deployment.require(settings)
    for name in (deployment.PSEUDONYM_KEY, deployment.MODEL_KEY):
        assert secrets.read(settings.keys / name) == (made.keys / name).read_bytes()
    assert not settings.authority_keys.exists()
    assert not list((tmp_path / "pod").rglob("authority.key"))


def test_the_api_server_opens_the_authority_and_has_no_key_of_the_reader(tmp_path: Path, made: Settings) -> None:
    settings = started(tmp_path / "pod", "apiServer", made)
    before = (settings.keys / deployment.AUTHORITY_PUBLIC_KEY).read_bytes()
    open_authority(settings)
    assert (settings.keys / deployment.AUTHORITY_PUBLIC_KEY).read_bytes() == before
    assert not list((tmp_path / "pod").rglob("pseudonym.key"))


def test_a_secret_as_kubernetes_mounts_it_is_no_key(tmp_path: Path, made: Settings) -> None:
    (volume,) = (each for each in VALUES["apiServer"]["extraVolumes"] if each["name"] == "mounted")
    with pytest.raises(AuthorityError, match="mode 0440"):
        secrets.read(_volume(tmp_path / "pod", volume, made) / "authority.key")
