"""Rules of a real cluster that refuse a pod: told at once, in its own words, and nothing is left."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from include.core.errors import PodFailed
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.request import PodRequest
from tests.runtime_pods.world import Namespace, request_in


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


def until_said(request: PodRequest, words: str | None) -> None:
    """What was made holds some moments later; ``None``: nothing is said any more."""
    deadline = time.monotonic() + 20
    while (found := said(request)) if words is None else words not in (found := said(request)):
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


def test_on_openshift_a_pod_asks_for_no_user_that_its_range_would_refuse(namespace: Namespace) -> None:
    """A kind of OpenShift's API group stands for it, and a policy for its default constraint's range of user ids."""
    group, plural = "security.openshift.io", "securitycontextconstraints"
    about = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "SecurityContextConstraints", "plural": plural, "singular": plural}
    spec = {"group": group, "names": names, "scope": "Cluster", "versions": [version]}
    request = request_in(namespace.name, "true")
    user = "object.spec.securityContext.runAsUser"
    with policy(namespace, f"!has({user}) || {user} >= 1000680000", "must be in the ranges: [1000680000, 1000689999]"):
        until_said(request, "must be in the ranges")
        namespace.apply({**about, "metadata": {"name": f"{plural}.{group}"}, "spec": spec})
        try:
            until_said(request, None)
        finally:
            namespace.kubectl("delete", "customresourcedefinition", f"{plural}.{group}")
