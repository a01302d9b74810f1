"""What would end a night at its first pod is told before it, by a real cluster and a real bucket."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from include.core.errors import ClusterUnavailable, DeclarationError, PodFailed, StoreUnavailable, TrainyardError
from include.core.project import Compute, Project
from include.runtime.code.projects import load_project
from include.runtime.pods.readiness import require_ready
from include.settings import ROOT, Placement, Settings
from tests import buckets
from tests.object_server import ObjectServer
from tests.runtime.starter import settings_of
from tests.runtime_pods.world import Namespace


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project("flight_delay", ROOT / "include" / "projects")


@pytest.fixture
def settings(tmp_path: Path, namespace: Namespace, s3_url: str) -> Settings:
    """A deployment that nothing is wrong with."""
    return replace(
        settings_of(tmp_path, tmp_path, tmp_path),
        vault=s3_url,
        placement=Placement.KUBERNETES,
        namespace=namespace.name,
        trainer_image="trainer:1",
    )


def with_compute(project: Project, **given: object) -> Project:
    return project.varied(compute=Compute(**given))


def test_a_cluster_and_a_bucket_that_would_take_the_pods_are_left_as_they_were(
    settings: Settings, project: Project, namespace: Namespace
) -> None:
    assert require_ready(settings, project) == "trainer:1"
    assert require_ready(settings, with_compute(project, image="own:2")) == "own:2"
    assert not namespace.get("pods")
    assert not namespace.get("secrets")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"trainer_image": None}, DeclarationError, "TRAINYARD_TRAINER_IMAGE"),
        ({"vault": "/somewhere"}, DeclarationError, "Set TRAINYARD_VAULT to s3://"),
        ({"vault": "s3://trainyard-has-no-such-bucket"}, StoreUnavailable, "there is no such bucket"),
        ({"namespace": "nowhere"}, ClusterUnavailable, '"nowhere" not found'),
    ],
)
def test_a_setting_that_lacks_or_names_what_is_not_there_is_named(
    settings: Settings, project: Project, change: dict[str, object], kind: type[TrainyardError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        require_ready(replace(settings, **change), project)


def test_an_object_store_that_only_this_machine_reaches_is_named(
    settings: Settings, project: Project, own_s3: ObjectServer
) -> None:
    """Its own server listens on the loopback address."""
    buckets.client().create_bucket(Bucket="near")
    with pytest.raises(DeclarationError, match="Set AWS_ENDPOINT_URL to an address that pods reach"):
        require_ready(replace(settings, vault="s3://near/vault"), project)


def test_a_pod_that_nothing_could_hold_or_a_rule_refuses_is_told_with_the_reason(
    settings: Settings, project: Project, namespace: Namespace
) -> None:
    with pytest.raises(PodFailed, match="99000m of cpu"):
        require_ready(settings, with_compute(project, cpus=99.0))
    with pytest.raises(PodFailed, match="Invalid value"):
        require_ready(replace(settings, trainer_image=" "), project)


def test_a_quota_that_is_used_up_now_is_nothing_that_keeps_pods_from_coming(
    settings: Settings, project: Project, namespace: Namespace
) -> None:
    namespace.quota("secrets", secrets="0")
    try:
        require_ready(settings, project)
    finally:
        namespace.kubectl("delete", "resourcequota", "secrets", "-n", namespace.name)


def test_who_may_not_work_in_the_namespace_is_told_what_is_refused(
    settings: Settings, project: Project, control: str, kubectl: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = subprocess.run([control, "user", "stranger"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", stranger)
    with pytest.raises(ClusterUnavailable, match='cannot create resource "secrets"'):
        require_ready(settings, project)
