"""What is installed: complete, pinned, each direct dependency with its reason, and from wherever the user installs."""

import importlib.metadata
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text()
DIRECT = [Requirement(text) for text in tomllib.loads(PYPROJECT)["project"]["dependencies"]]
DEVELOPMENT = [Requirement(text) for text in tomllib.loads(PYPROJECT)["dependency-groups"]["dev"]]
SPARK = [Requirement(text) for text in tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]["spark"]]

#: Where the pins are to hold: every supported Python on both platforms.
ENVIRONMENTS = [
    {**default_environment(), "python_version": python, "python_full_version": f"{python}.5", "sys_platform": platform}
    for python in ("3.11", "3.12", "3.13")
    for platform in ("linux", "darwin")
]

#: Hosts of package registries, in halves, since this file too is searched.
REGISTRIES = [
    "".join(halves)
    for halves in (
        ("py", "pi.org"),
        ("pythonho", "sted.org"),
        ("pip.astro", "nomer.io"),
        ("anacon", "da.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("proxy.go", "lang.org"),
        ("crates", ".io"),
        ("maven", ".org"),
        ("rubygems", ".org"),
    )
]


def pins(file: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def versions(file: str, environment: dict[str, str]) -> dict[str, str]:
    """The version that *file* pins of each package in *environment*."""
    found: dict[str, str] = {}
    for pin in pins(file):
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in found, f"{file} pins {name} twice"
            found[name] = exact(pin)
    return found


def exact(requirement: Requirement) -> str:
    specifiers = list(requirement.specifier)
    assert [specifier.operator for specifier in specifiers] == ["=="], f"{requirement} is not pinned"
    assert "*" not in specifiers[0].version, f"{requirement} is not pinned"
    return specifiers[0].version


def dependency_lines() -> Iterator[str]:
    """The lines of pyproject.toml that declare a dependency."""
    for block in re.findall(r"^(?:dependencies|dev) = \[\n(.*?)^\]", PYPROJECT, re.M | re.S):
        yield from (line.strip() for line in block.splitlines() if line.strip())


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "requirements-spark.txt"])
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: f"{e['python_version']}-{e['sys_platform']}")
def test_every_package_is_pinned_once_in_every_environment(file: str, environment: dict[str, str]) -> None:
    assert versions(file, environment)


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: f"{e['python_version']}-{e['sys_platform']}")
def test_every_direct_dependency_is_pinned_at_the_version_it_declares(environment: dict[str, str]) -> None:
    pinned = versions("requirements.txt", environment)
    declared = {canonicalize_name(requirement.name): exact(requirement) for requirement in DIRECT}
    assert {name: pinned.get(name) for name in declared} == declared


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: f"{e['python_version']}-{e['sys_platform']}")
def test_what_tests_need_beside_it_is_pinned_and_agrees(environment: dict[str, str]) -> None:
    product = versions("requirements.txt", environment)
    development = versions("requirements-dev.txt", environment)
    shared = product.keys() & development.keys()
    assert {name: development[name] for name in shared} == {name: product[name] for name in shared}
    for requirement in DEVELOPMENT:
        assert Version(development[canonicalize_name(requirement.name)]) in requirement.specifier


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: f"{e['python_version']}-{e['sys_platform']}")
def test_what_a_cluster_needs_beside_it_is_pinned_once_and_changes_no_other_pin(environment: dict[str, str]) -> None:
    beside = versions("requirements-spark.txt", environment)
    assert beside.keys().isdisjoint(versions("requirements.txt", environment))
    assert {canonicalize_name(each.name): exact(each) for each in SPARK}.items() <= beside.items()


def test_every_dependency_carries_its_reason() -> None:
    lines = list(dependency_lines())
    assert len(lines) == len(DIRECT) + len(DEVELOPMENT)
    for line in lines:
        assert re.fullmatch(r'"[^"]+",\s+# \w.{4,}', line), f"no reason beside {line}"


def test_what_runs_here_is_what_is_pinned() -> None:
    environment = {**default_environment()}
    pinned = {**versions("requirements.txt", environment), **versions("requirements-dev.txt", environment)}
    installed = {
        canonicalize_name(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    # Only the public part: a distribution's own build of a release, such as 3.3.2+astro.1, meets the pin.
    running = {name: Version(installed[name]).public if name in installed else None for name in pinned}
    assert running == {name: str(Version(version)) for name, version in pinned.items()}


def test_requirements_name_packages_only_never_where_to_get_them() -> None:
    for file in ("requirements.txt", "requirements-dev.txt", "requirements-spark.txt"):
        for pin in pins(file):  # an option such as an index address would not parse as a requirement
            assert pin.url is None


def test_no_file_names_the_host_of_a_package_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            content = path.read_bytes().lower()
            named = [host for host in REGISTRIES if host.encode() in content]
            assert named == [], f"{name} names {named}: where packages come from is the user's to say"
