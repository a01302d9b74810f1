"""What a refusal means, by the words that API servers are known to answer with.

Those of Kyverno, Gatekeeper, OpenShift, an image policy and a quota that many pods hit at once are recorded shapes, as
their sources and users' reports give them: a test cluster has none of these. What it can say itself is in
test_rules.py.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import ClusterUnavailable, PodFailed
from include.runtime.pods import cluster as calls
from include.runtime.pods.refusal import Refusal, RefusalKind
from tests.runtime_pods.api import Api, refusal, run, serving
from tests.runtime_pods.world import DOCUMENT, request_in

RECORDED = [
    (409, "AlreadyExists", 'secrets "o-1" already exists', RefusalKind.THERE),
    (409, "AlreadyExists", 'object is being deleted: pods "o-1" already exists', RefusalKind.THERE),
    # A ResourceQuota that several API servers, or its controller, write at once.
    (
        409,
        "Conflict",
        'Operation cannot be fulfilled on resourcequotas "team": the object has been modified; please apply your '
        "changes to the latest version and try again",
        RefusalKind.AWAY,
    ),
    (409, "", "", RefusalKind.AWAY),
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4',
        RefusalKind.FULL,
    ),
    (403, "Forbidden", 'pods "o-1" is forbidden: status unknown for quota: team, resources: pods', RefusalKind.FULL),
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: failed quota: team: must specify limits.example.com',
        RefusalKind.RULE,
    ),
    (
        403,
        "Forbidden",
        'pods is forbidden: User "runner" cannot create resource "pods" in API group "" in the namespace "trainyard"',
        RefusalKind.NO_RIGHT,
    ),
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: User "runner" cannot get resource "pods" in API group "" in the namespace "it"',
        RefusalKind.NO_RIGHT,
    ),
    (401, "Unauthorized", "Unauthorized", RefusalKind.NO_RIGHT),
    # An API server that has just started, and a namespace that was just made.
    (403, "Forbidden", 'pods "o-1" is forbidden: not yet ready to handle request', RefusalKind.NO_RIGHT),
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: error looking up service account trainyard/default: serviceaccount "default" '
        "not found",
        RefusalKind.NO_RIGHT,
    ),
    (
        403,
        "Forbidden",
        "pods \"o-1\" is forbidden: ValidatingAdmissionPolicy 'owners' with binding 'owners' denied request: no owner",
        RefusalKind.RULE,
    ),
    (
        401,
        "Unauthorized",
        "pods \"o-1\" is forbidden: ValidatingAdmissionPolicy 'owners' with binding 'owners' denied request: no owner",
        RefusalKind.RULE,
    ),
    # Kyverno, whose webhook answers without a status of its own: the API server makes it 400, with no reason.
    (
        400,
        "",
        'admission webhook "validate.kyverno.svc-fail" denied the request: \n\nresource Pod/trainyard/o-1 was blocked '
        "due to the following policies \n\nrequire-labels:\n  check-team: 'validation error: label team is required'\n",
        RefusalKind.RULE,
    ),
    (
        403,
        "Forbidden",
        'admission webhook "validation.gatekeeper.sh" denied the request: [allowed-repos] container <train> has an '
        "invalid image repo",
        RefusalKind.RULE,
    ),
    (500, "InternalError", 'Internal error occurred: failed calling webhook "mutate.example.com"', RefusalKind.AWAY),
    (500, "", 'admission webhook "its.own" denied the request: context deadline exceeded', RefusalKind.AWAY),
    # OpenShift, for a user id out of its namespace's range.
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: unable to validate against any security context constraint: [provider "anyuid": '
        "Forbidden: not usable by user or serviceaccount, provider restricted-v2: .spec.securityContext.fsGroup: "
        "Invalid value: []int64{65532}: 65532 is not an allowed group, provider restricted-v2: "
        ".containers[0].runAsUser: Invalid value: 65532: must be in the ranges: [1000680000, 1000689999]]",
        RefusalKind.RULE,
    ),
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: image policy webhook backend denied one or more images',
        RefusalKind.RULE,
    ),
    (
        403,
        "Forbidden",
        'pods "o-1" is forbidden: Post "https://images.example.com": dial tcp: refused',
        RefusalKind.NO_RIGHT,
    ),
    (422, "Invalid", 'Pod "o-1" is invalid: spec.containers[0].image: Required value', RefusalKind.RULE),
    (400, "BadRequest", 'Pod in version "v1" cannot be handled as a Pod: json: unknown field', RefusalKind.RULE),
    (404, "NotFound", 'namespaces "nowhere" not found', RefusalKind.OTHER),
    (429, "TooManyRequests", "too many requests, please try again later", RefusalKind.AWAY),
]


@pytest.mark.parametrize(("status", "reason", "said", "meaning"), RECORDED)
def test_what_an_api_server_says_is_told_apart(status: int, reason: str, said: str, meaning: RefusalKind) -> None:
    body = json.dumps({"kind": "Status", "reason": reason, "message": said, "code": status})
    found = Refusal.of(status, body, "phrase")
    assert found.meaning is meaning
    assert (said or "phrase") in str(found)


@given(status=st.integers(400, 599), body=st.one_of(st.none(), st.text(max_size=9), st.just("[]"), st.just("{}")))
def test_an_answer_that_is_none_of_an_api_server_s_is_no_rule_of_the_cluster(status: int, body: str | None) -> None:
    """A proxy's page, say: nobody is told to change a project for it."""
    assert Refusal.of(status, body, "phrase").meaning not in (RefusalKind.RULE, RefusalKind.THERE, RefusalKind.FULL)


def refused_with(*answers: web.Response) -> Api:
    """An API server that gives each of *answers* to what would be made, and then makes it."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return left.pop(0) if left else web.json_response(await request.json(), status=201)

    return Api(answer=answer)


def test_a_secret_that_lost_a_race_for_a_quota_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = 'Operation cannot be fulfilled on resourcequotas "team": the object has been modified'
    api = refused_with(refusal(409, conflict, "Conflict"), refusal(409, conflict, "Conflict"))

    async def law() -> None:
        monkeypatch.setattr(calls, "_PAUSE_SECONDS", 0.01)
        async with serving(api, tmp_path, monkeypatch) as cluster:
            await cluster.make_secret(request_in("trainyard", "true"), DOCUMENT)

    run(law())
    assert api.calls.count("POST secrets") == 3


def test_a_secret_that_is_there_already_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = refused_with(refusal(409, 'secrets "o-1" already exists', "AlreadyExists"))

    async def law() -> None:
        async with serving(api, tmp_path, monkeypatch) as cluster:
            await cluster.make_secret(request_in("trainyard", "true"), DOCUMENT)

    run(law())
    assert api.calls.count("POST secrets") == 1


def test_a_rule_of_the_cluster_ends_the_step_at_once_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [each for each in RECORDED if each[3] is RefusalKind.RULE]
    api = refused_with(*(refusal(status, said, reason) for status, reason, said, _ in rules))

    async def law() -> None:
        async with serving(api, tmp_path, monkeypatch) as cluster:
            for _, _, said, _ in rules:
                with pytest.raises(PodFailed) as refused:
                    await cluster.make_pod(request_in("trainyard", "true"), 0, now=datetime.now(UTC))
                assert refused.value.value == said

    run(law())
    assert api.calls.count("POST pods") == len(rules)


@pytest.mark.parametrize("openshift", [False, True])
def test_the_user_of_a_pod_is_left_to_a_platform_that_gives_each_namespace_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openshift: bool
) -> None:
    made = []

    async def answer(request: web.Request) -> web.StreamResponse:
        made.append((await request.json())["spec"])
        return web.json_response(await request.json(), status=201)

    async def law() -> None:
        async with serving(Api(answer=answer, openshift=openshift), tmp_path, monkeypatch) as cluster:
            for number in (0, 1):
                await cluster.make_pod(request_in("trainyard", "true"), number, now=datetime.now(UTC))

    run(law())
    for spec in made:
        assert spec["securityContext"]["runAsNonRoot"]
        assert {"runAsUser", "runAsGroup", "fsGroup"}.isdisjoint(spec["securityContext"]) is openshift
        assert spec["volumes"][0]["secret"]["defaultMode"] == (0o444 if openshift else 0o440)


def test_a_policy_that_forbids_to_change_or_remove_pods_is_no_fault_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = 'admission webhook "its.own" denied the request: leave it'
    api = refused_with(refusal(403, denied, "Forbidden"))

    async def law() -> None:
        async with serving(api, tmp_path, monkeypatch) as cluster:
            with pytest.raises(ClusterUnavailable, match="leave it"):
                await cluster.logged("o-1", 3)

    run(law())
    assert len(api.calls) == 1


@pytest.mark.parametrize(("waited", "least", "most"), [(0.0, 0.7, 1.3), (50.0, 3.5, 6.5), (4000.0, 7.0, 13.0)])
def test_a_call_is_tried_again_more_and_more_seldom(waited: float, least: float, most: float) -> None:
    assert all(least <= calls._pause(waited) <= most for _ in range(20))
