"""A namespace of the tests' own in a real cluster; skipped with a reason where there is none, red in CI."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime_pods.world import Namespace

NEEDS = {"kubectl", "namespace", "component", "trainer_image"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if NEEDS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kubernetes)


def _missing(reason: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def control() -> str:
    """The program that starts and stops a cluster's components."""
    program = os.environ.get("TRAINYARD_TEST_CLUSTER", "")
    if not (program and Path(program).exists()):
        _missing("TRAINYARD_TEST_CLUSTER names no program that controls a test cluster's components")
    return program


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., str]:
    if not os.environ.get("KUBECONFIG"):
        _missing("KUBECONFIG names no cluster")
    control = os.environ.get("TRAINYARD_TEST_CLUSTER")
    program = [control, "kubectl"] if control else ["kubectl"]

    def call(*arguments: str, text: str = "", check: bool = True) -> str:
        done = subprocess.run([*program, *arguments], input=text, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="module")
def namespace(kubectl: Callable[..., str]) -> Iterator[Namespace]:
    """A namespace that enforces Pod Security ``restricted``, deleted at the end."""
    name = f"trainyard-test-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    # The controller that makes it may just have been started again; without it every pod is refused.
    kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=120s")
    yield Namespace(name=name, kubectl=kubectl)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def component(control: str) -> Iterator[Callable[[str, str], None]]:
    """``component("stop", "apiserver")``; what was stopped or killed is started again at the end."""
    down: set[str] = set()

    def act(action: str, name: str) -> None:
        subprocess.run([control, action, name], check=True, capture_output=True)
        (down.discard if action == "start" else down.add)(name)

    yield act
    for name in sorted(down):
        act("start", name)


@pytest.fixture(scope="session")
def trainer_image(kubectl: Callable[..., str]) -> str:
    """The trainer's image, which the cluster's nodes have."""
    image = os.environ.get("TRAINYARD_TEST_TRAINER_IMAGE", "")
    if not image:
        _missing("TRAINYARD_TEST_TRAINER_IMAGE names no image of the trainer that the cluster has")
    return image
