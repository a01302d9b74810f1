"""A shard's pod and secret as they are asked for: what a cluster that enforces rules cannot show by itself."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.project import Compute
from include.runtime.pods.request import PodRequest, pod_manifest, secret_manifest
from tests.runtime_pods.world import DOCUMENT, request_in

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABEL = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"


def manifest(request: PodRequest) -> dict[str, Any]:
    return pod_manifest(request, 0, now=NOW)


def asked(**changes: Any) -> PodRequest:
    return replace(request_in("trainyard", "true"), give_up_at=NOW + timedelta(minutes=5), **changes)


def test_the_order_is_in_the_secret_and_nowhere_else() -> None:
    request = asked()
    assert DOCUMENT.decode() not in json.dumps(manifest(request))
    assert "addresses" not in repr(request)
    assert list(secret_manifest(request, DOCUMENT)["data"]) == ["order.json"]


def test_a_request_is_read_back_from_the_pod_that_was_asked_for() -> None:
    request = asked()
    kept = manifest(request)["metadata"]["annotations"]["trainyard/request"]
    assert decode(PodRequest, kept.encode()) == request
    assert encode(request).decode() == kept


def test_a_pod_runs_no_longer_than_its_request_and_holds_no_credential_of_the_cluster() -> None:
    spec = manifest(asked())["spec"]
    assert spec["activeDeadlineSeconds"] == 300
    assert spec["automountServiceAccountToken"] is False
    assert [volume["name"] for volume in spec["volumes"]] == ["order", "temporary"]
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert {variable["name"] for variable in container["env"]} == {
        "TRAINYARD_ORDER",
        "TMPDIR",
        "HOME",
        "PYTHONUNBUFFERED",
    }


def test_what_takes_accelerators_asks_for_their_number_and_for_no_label_that_nobody_declared() -> None:
    without, with_two = (manifest(asked(compute=Compute(accelerators=number)))["spec"] for number in (0, 2))
    assert not without["nodeSelector"]
    assert not with_two["nodeSelector"]
    assert with_two["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    tolerated = {each["key"] for each in with_two["tolerations"]} - {each["key"] for each in without["tolerations"]}
    assert tolerated == {"nvidia.com/gpu"}


def test_a_pod_has_the_selector_the_tolerations_and_the_queue_that_are_declared_for_it() -> None:
    taints = ("sku=gpu:NoSchedule", "dedicated", "team=:NoExecute")
    compute = Compute(node_selector={"pool": "gpu"}, tolerations=taints, queue="team-a")
    made, plain = manifest(asked(compute=compute)), manifest(asked())
    assert made["spec"]["nodeSelector"] == {"pool": "gpu"}
    assert made["spec"]["tolerations"][-3:] == [
        {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
        {"key": "dedicated", "operator": "Exists"},
        {"key": "team", "operator": "Equal", "value": "", "effect": "NoExecute"},
    ]
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert "kueue.x-k8s.io/queue-name" not in plain["metadata"]["labels"]


def test_a_request_of_a_project_that_declares_none_of_them_is_written_as_it_ever_was() -> None:
    """So that its digest stays, and pods and triggers of before are read."""
    kept = json.loads(encode(asked()))["compute"]
    assert sorted(kept) == [
        "accelerators", "cpus", "ephemeral_storage_mib", "image", "maximum_minutes", "memory_mib", "pool", "spot"
    ]  # fmt: skip
    assert decode(Compute, json.dumps(kept).encode()) == asked().compute


def test_only_what_may_be_taken_away_goes_to_spot_nodes() -> None:
    steady, spot = (manifest(asked(compute=Compute(spot=each)))["spec"] for each in (False, True))
    assert "affinity" in steady
    assert "affinity" not in spot
    assert len(spot["tolerations"]) > len(steady["tolerations"])


@given(run_id=st.text(min_size=1, max_size=200), project=st.from_regex(r"[a-z_][a-z0-9_]{0,80}", fullmatch=True))
def test_any_run_has_labels_that_kubernetes_takes(run_id: str, project: str) -> None:
    import re

    labels = manifest(asked(run_id=run_id, project=project))["metadata"]["labels"]
    for value in labels.values():
        assert re.fullmatch(LABEL, value)
        assert len(value) <= 63


@given(st.lists(st.text(min_size=1, max_size=90), min_size=2, max_size=2, unique=True))
def test_shards_of_different_runs_are_selected_apart(run_ids: list[str]) -> None:
    first, second = (asked(run_id=run_id).selector for run_id in run_ids)
    assert first != second


def test_the_same_shard_of_two_deployments_is_selected_apart() -> None:
    request = asked(deployment="one")
    assert "trainyard/deployment=one" in request.selector
    assert replace(request, deployment="two").selector != request.selector
    assert manifest(request)["metadata"]["labels"]["trainyard/deployment"] == "one"
