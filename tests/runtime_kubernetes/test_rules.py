"""Rules of a real cluster that refuse a pod: told at once, in its own words, and nothing is left."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from include.core.errors import PodFailed
from include.runtime.kubernetes.cluster import Cluster
from include.runtime.kubernetes.request import PodRequest
from tests.runtime_kubernetes.world import Namespace, request_in


def said(request: PodRequest) -> str:
    """What the cluster says against such a pod; nothing, if it would take it."""

    async def asked() -> str:
        async with Cluster.connected(request.namespace) as cluster:
            try:
                await cluster.try_out(request, now=datetime.now(UTC))
            except PodFailed as refused:
                return str(refused.value)
        return ""

    return asyncio.run(asked())


def until_said(request: PodRequest, words: str) -> None:
    """A policy holds some moments after it was made."""
    deadline = time.monotonic() + 20
    while words not in (found := said(request)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@contextmanager
def policy(namespace: Namespace, expression: str, message: str) -> Iterator[None]:
    """A ValidatingAdmissionPolicy for the pods of *namespace*."""
    about = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace.name}}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec: dict[str, Any] = {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
            "resourceRules": [pods],
        },
        "validations": [{"expression": expression, "message": message, "reason": "Forbidden"}],
    }
    namespace.apply({**about, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    binding = {"policyName": namespace.name, "validationActions": ["Deny"]}
    namespace.apply({**about, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
    try:
        yield
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            namespace.kubectl("delete", kind, namespace.name)


def test_a_policy_and_a_range_of_limits_refuse_at_once_in_their_own_words(namespace: Namespace) -> None:
    request = request_in(namespace.name, "true")
    assert said(request) == ""
    ratio = {"limits": [{"type": "Pod", "min": {"memory": "1Gi"}}]}
    namespace.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "ratio"}, "spec": ratio})
    try:
        until_said(request, "minimum memory usage per Pod is 1Gi")
    finally:
        namespace.kubectl("delete", "limitrange", "ratio", "-n", namespace.name)
    with policy(namespace, "has(object.metadata.labels.owner)", "a pod names its owner"):
        until_said(request, "denied request: a pod names its owner")
