"""The manifests, against a live API server: accepted as they are, and what the runner may do, and may not."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "values.yaml")

#: Verb, resource (with its subresource), namespace.
Rights = Callable[[str, str, str | None], bool]

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def kubectl() -> Callable[..., subprocess.CompletedProcess[str]]:
    control = os.environ.get("TRAINYARD_TEST_CLUSTER", "")
    if not os.environ.get("KUBECONFIG"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("KUBECONFIG names no cluster")
    program = [control, "kubectl"] if control else ["kubectl"]

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)

    return call


@pytest.fixture(scope="module")
def applied(kubectl: Callable[..., subprocess.CompletedProcess[str]]) -> Iterator[None]:
    """The manifests in force, in the namespace that they name; it is removed again if it was not there."""
    there = kubectl("get", "namespace", "trainyard").returncode == 0
    done = kubectl("apply", "-f", str(FOLDER / "namespace.yaml"))
    assert done.returncode == 0, done.stderr
    yield
    if not there:
        kubectl("delete", "namespace", "trainyard", "trainyard-airflow", "--wait=false")
        kubectl("delete", "clusterrole,clusterrolebinding", "trainyard-capacity")


@pytest.fixture(scope="module")
def rights(kubectl: Callable[..., subprocess.CompletedProcess[str]], applied: None) -> Rights:
    """Asks the API server what the runner's account may do once the rights are applied."""
    from kubernetes import client, config

    done = kubectl("apply", "-f", str(FOLDER / "access.yaml"))
    assert done.returncode == 0, done.stderr
    api = client.AuthorizationV1Api(config.new_client_from_config())

    def may(verb: str, kind: str, namespace: str | None) -> bool:
        resource, _, subresource = kind.partition("/")
        attributes = client.V1ResourceAttributes(
            verb=verb,
            group=GROUPS.get(kind, ""),
            resource=resource,
            subresource=subresource or None,
            namespace=namespace,
        )
        spec = client.V1SubjectAccessReviewSpec(
            user="system:serviceaccount:trainyard-airflow:trainyard-runner", resource_attributes=attributes
        )
        return bool(api.create_subject_access_review(client.V1SubjectAccessReview(spec=spec)).status.allowed)

    return may


def test_the_api_server_accepts_every_manifest(
    kubectl: Callable[..., subprocess.CompletedProcess[str]], applied: None
) -> None:
    for manifest in MANIFESTS:
        done = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(manifest))
        assert done.returncode == 0, f"{manifest.name}: {done.stderr}"
        assert not done.stderr, f"{manifest.name}: {done.stderr}"


#: All that a runner is for. Whatever is not here, it must not.
ALLOWED = {
    ("create", "pods"), ("get", "pods"), ("list", "pods"), ("patch", "pods"), ("delete", "pods"),
    ("deletecollection", "pods"), ("get", "pods/log"), ("create", "secrets"), ("delete", "secrets"),
    ("deletecollection", "secrets"), ("list", "resourcequotas"),
}  # fmt: skip
VERBS = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection")
RESOURCES = (
    "pods", "pods/log", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "pods/eviction",
    "secrets", "configmaps", "events", "serviceaccounts", "serviceaccounts/token", "roles", "rolebindings",
    "resourcequotas", "networkpolicies", "deployments", "jobs", "persistentvolumeclaims", "services",
)  # fmt: skip
GROUPS = {"roles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io", "jobs": "batch"} | {
    "networkpolicies": "networking.k8s.io",
    "deployments": "apps",
}


def test_the_runner_may_do_what_training_takes_and_nothing_else(rights: Rights) -> None:
    assert {(verb, kind) for verb in VERBS for kind in RESOURCES if rights(verb, kind, "trainyard")} == ALLOWED


@pytest.mark.parametrize("namespace", ["trainyard-airflow", "kube-system"])
def test_the_runner_reaches_no_other_namespace_least_of_all_that_of_the_keys(rights: Rights, namespace: str) -> None:
    assert not [(verb, kind) for verb in VERBS for kind in RESOURCES if rights(verb, kind, namespace)]


def test_of_the_cluster_the_runner_sees_how_large_its_nodes_are(rights: Rights) -> None:
    kinds = ("nodes", "nodes/proxy", "namespaces", "persistentvolumes")
    assert {(verb, kind) for verb in VERBS for kind in kinds if rights(verb, kind, None)} == {("list", "nodes")}


def test_the_rights_name_no_wildcard() -> None:
    for document in yaml.safe_load_all((FOLDER / "access.yaml").read_text()):
        for rule in document.get("rules", ()):
            assert "*" not in json.dumps(rule)
