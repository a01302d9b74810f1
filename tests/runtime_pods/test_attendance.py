"""The laws of attending that a real cluster cannot be brought to show at will."""

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from include.core.errors import AccessDenied, ClusterUnavailable, LedgerUnavailable, PodFailed
from include.core.project import Compute
from include.runtime.pods import attendance, following, placing, replacing
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.endings import PodEnding, PodOutcome
from tests.runtime_pods.api import NAMESPACE, Api, empty, pod_json, refusal, run, serving
from tests.runtime_pods.world import DOCUMENT, SMALL, request_in


@dataclass(kw_only=True)
class Heard:
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: list[PodEnding] = field(default_factory=list)
    stored: Callable[[], int] = lambda: 0

    async def attend(
        self, cluster: Cluster, check: object = None, seconds: float = 240, compute: Compute = SMALL, **given: str
    ) -> tuple[PodEnding, ...]:
        asked = request_in(NAMESPACE, "true", seconds=seconds, compute=compute, **given)
        return await attendance.attend(cluster, asked, self.attention(check))

    def attention(self, check: object = None) -> attendance.Attention:
        return attendance.Attention(
            log=self.lines.append,
            note=self.notes.append,
            check=check if callable(check) else lambda: None,
            stored=self.stored,
            ended=self.seen.append,
        )


async def no_pod_stays(request: web.Request) -> web.StreamResponse:
    """Every pod is gone as soon as it is made."""
    if request.method == "DELETE":
        await asyncio.sleep(0.3)
        return web.json_response({"kind": "Status", "status": "Success"})
    if request.method == "POST":
        return web.json_response(await request.json(), status=201)
    if request.path.endswith("/pods"):
        return empty()
    return refusal(404, "not found")


@pytest.mark.parametrize("error", [AccessDenied("a test revokes", value="nothing", remedy="None."), KeyError("a bug")])
def test_once_the_check_raises_no_pod_is_made_any_more_and_the_secret_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    api, heard = Api(answer=no_pod_stays), Heard()

    def check() -> None:
        if "POST pods" in api.calls:
            raise error

    async def law() -> None:
        monkeypatch.setattr(attendance, "CHECK_SECONDS", 0.01)
        async with serving(api, tmp_path, monkeypatch) as cluster:
            with pytest.raises(type(error)):
                await heard.attend(cluster, check)

    run(law())
    removing = api.calls.index("DELETE secrets")
    assert api.calls[removing:] == ["DELETE secrets", "DELETE pods"]
    *lost, last = heard.seen
    assert {ending.outcome for ending in lost} <= {PodOutcome.LOST}
    assert last.outcome in (PodOutcome.LOST, PodOutcome.STOPPED)
    assert len({ending.pod for ending in heard.seen}) == len(heard.seen) > 0


def test_a_pod_that_vanishes_between_two_looks_was_lost_on_the_node_where_it_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a drain takes it: deleted, with no word of its container's end."""
    looks = iter(range(3))  # whether it has to be made, and where it runs, twice

    async def vanishing(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if request.method != "GET" or request.path.endswith("/pods"):
            return await no_pod_stays(request)
        if request.path.endswith("/log"):
            return web.Response(body=b"")
        if name.endswith("-0"):
            if next(looks, None) is None:
                return refusal(404, "not found")
            return web.json_response(pod_json(name, {"running": {}}, phase="Running"))
        return web.json_response(pod_json(name, {"terminated": {"exitCode": 0}}, phase="Succeeded"))

    async def law() -> None:
        monkeypatch.setattr(attendance, "_RUNNING_SECONDS", 0.05)
        async with serving(Api(answer=vanishing), tmp_path, monkeypatch) as cluster:
            lost, done = await Heard().attend(cluster)
        assert (lost.outcome, lost.node) == (PodOutcome.LOST, done.node)
        assert lost.node
        assert lost.at_least
        assert lost.ran_seconds is not None
        assert not done.at_least

    run(law())


def test_a_check_without_an_answer_ends_the_wait_as_a_ledger_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    heard = Heard()

    async def waiting(request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and not request.path.endswith("/pods"):
            name = request.path.rpartition("/")[2]
            return web.json_response(pod_json(name, {"waiting": {"reason": "ContainerCreating"}}, phase="Pending"))
        return await no_pod_stays(request)

    async def law() -> None:
        monkeypatch.setattr(attendance, "UNANSWERED_SECONDS", 0.5)
        async with serving(Api(answer=waiting), tmp_path, monkeypatch) as cluster:
            started = time.monotonic()
            with pytest.raises(LedgerUnavailable, match="no answer within"):
                await heard.attend(cluster, lambda: answered.wait(30) and None)
            assert time.monotonic() - started < 10
            answered.set()

    run(law())
    (stopped,) = heard.seen
    assert stopped.outcome is PodOutcome.STOPPED
    assert stopped.outcome.heals
    assert "LedgerUnavailable" in stopped.message


def test_a_check_answers_though_what_shares_the_loop_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()

    async def law() -> None:
        monkeypatch.setattr(attendance, "UNANSWERED_SECONDS", 0.5)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        gate = loop.run_in_executor(None, hanging.wait, 30)
        try:
            await attendance.ask(lambda: None)
        finally:
            hanging.set()
            await gate

    run(law())


def test_an_end_that_the_ledger_does_not_take_now_is_still_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(ending: PodEnding) -> None:
        raise LedgerUnavailable("the ledger's database can be reached", value="it cannot", remedy="Wait.")

    async def ended(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/log"):
            return web.Response(body=b"")
        if request.method == "GET" and not request.path.endswith("/pods"):
            name = request.path.rpartition("/")[2]
            return web.json_response(pod_json(name, {"terminated": {"exitCode": 3, "reason": "Error"}}, phase="Failed"))
        return await no_pod_stays(request)

    async def law() -> None:
        async with serving(Api(answer=ended), tmp_path, monkeypatch) as cluster:
            attention = replace(Heard().attention(), ended=away)
            endings = await attendance.attend(cluster, request_in(NAMESPACE, "true"), attention)
        assert [(each.outcome, each.exit_code) for each in endings] == [(PodOutcome.EXIT, 3)]

    run(law())


def test_a_token_that_has_ended_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(answer=no_pod_stays)

    async def law() -> None:
        async with serving(api, tmp_path, monkeypatch) as cluster:
            assert await cluster.pods("a=b") == []
            api.token = "next"  # noqa: S105  # nobody's
            (tmp_path / "token").write_text("next")
            assert await cluster.within(5).pods("a=b") == []

    run(law())
    assert len(api.calls) == 3


def test_a_refusal_that_lasts_is_repeated_about_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refusing(request: web.Request) -> web.StreamResponse:
        return empty() if request.method == "DELETE" else refusal(400, "not now")

    api, heard = Api(answer=refusing), Heard()

    async def law() -> None:
        async with serving(api, tmp_path, monkeypatch) as cluster:
            with pytest.raises(ClusterUnavailable):
                await heard.attend(cluster, seconds=2.5)

    run(law())
    assert 2 <= api.calls.count("GET pods") <= 5
    assert [ending.outcome for ending in heard.seen] == [PodOutcome.STOPPED]
    assert api.calls[-2:] == ["DELETE secrets", "DELETE pods"]


def test_of_a_line_without_an_end_only_the_beginning_is_held_and_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece, pieces, heard = b"x" * 65536, 1024, Heard()
    printed = False

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal printed
        if request.path.endswith("/log"):
            answer = web.StreamResponse()
            await answer.prepare(request)
            await answer.write(b"first\n")
            for _ in range(pieces):
                await answer.write(piece)
            await answer.write(b"\nlast\n")
            printed = True
            return answer
        if request.method in ("GET", "PATCH") and not request.path.endswith("/pods"):
            name = request.path.rpartition("/")[2]
            ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
            running = {"running": {"startedAt": "2026-03-01T12:00:00Z"}}
            return web.json_response(pod_json(name, ended if printed else running))
        return await no_pod_stays(request)

    async def law() -> None:
        async with serving(Api(answer=endless), tmp_path, monkeypatch) as cluster:
            tracemalloc.start()
            (ending,) = await heard.attend(cluster)
            assert ending.outcome is PodOutcome.DONE
            assert tracemalloc.get_traced_memory()[1] < len(piece) * pieces / 4
            tracemalloc.stop()

    run(law())
    first, long, last = heard.lines
    assert (first, last) == ("first", "last")
    assert long == "x" * following.LINE_BYTES + " … (the line was cut)"


def test_a_pod_that_the_rules_refuse_leaves_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def strict(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and request.path.endswith("/pods"):
            return refusal(403, 'pods "o" is forbidden: violates PodSecurity "restricted:latest"')
        return empty() if request.method == "GET" else await no_pod_stays(request)

    api = Api(answer=strict)

    async def law() -> None:
        async with serving(api, tmp_path, monkeypatch) as cluster:
            asked = request_in(NAMESPACE, "true")
            with pytest.raises(PodFailed):
                await placing.place(cluster, asked, DOCUMENT, note=print, check=lambda: None)

    run(law())
    assert api.calls[-3:] == ["POST pods", "DELETE secrets", "DELETE pods"]


def test_a_full_quota_on_secrets_is_waited_for_until_the_check_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and request.path.endswith("/secrets"):
            return refusal(403, 'secrets "o" is forbidden: exceeded quota: secrets, requested: secrets=1')
        return empty()

    api, notes = Api(answer=full), list[str]()

    def check() -> None:
        if api.calls.count("POST secrets") > 1:
            raise AccessDenied("a test revokes", value="nothing", remedy="None.")

    async def law() -> None:
        monkeypatch.setattr(attendance, "CHECK_SECONDS", 0.1)
        async with serving(api, tmp_path, monkeypatch) as cluster:
            asked = request_in(NAMESPACE, "true")
            with pytest.raises(AccessDenied):
                await placing.place(cluster, asked, DOCUMENT, note=notes.append, check=check)

    run(law())
    (note,) = notes
    assert "exceeded quota: secrets" in note
    assert api.calls.count("POST secrets") == 2


async def ending_with(state: dict[str, object], request: web.Request) -> web.StreamResponse:
    """Every pod that was made ends so."""
    if request.path.endswith("/log"):
        return web.Response(body=b"")
    if request.method == "GET" and not request.path.endswith("/pods"):
        return web.json_response(pod_json(request.path.rpartition("/")[2], {"terminated": state}, phase="Failed"))
    return await no_pod_stays(request)


def test_the_log_of_a_trainer_that_never_began_is_not_asked_for_though_a_sidecar_beside_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def evicted(request: web.Request) -> web.StreamResponse:
        if request.method != "GET" or request.path.endswith("/pods"):
            return await no_pod_stays(request)
        pod = pod_json(request.path.rpartition("/")[2], {"waiting": {"reason": "PodInitializing"}}, phase="Failed")
        (trainer,) = pod["status"]["containerStatuses"]
        pod["status"]["containerStatuses"] = [trainer | {"name": "mesh"}, trainer | {"containerID": ""}]
        return web.json_response(pod)

    api = Api(answer=evicted)

    async def law() -> None:
        monkeypatch.setattr(replacing, "REPLACED", 0)
        async with serving(api, tmp_path, monkeypatch) as cluster:
            (ending,) = await Heard().attend(cluster)
        assert ending.outcome is PodOutcome.LOST

    run(law())
    assert not [call for call in api.calls if call.endswith("/log")]


def test_pods_that_are_killed_again_and_again_end_the_step_and_what_is_stored_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([4, 7, 7, 7, 7, 7])
    heard = Heard(stored=lambda: next(left))

    async def law() -> None:
        killed = partial(ending_with, {"exitCode": 137, "reason": "Error"})
        async with serving(Api(answer=killed), tmp_path, monkeypatch) as cluster:
            endings = await heard.attend(cluster)
        assert [each.outcome for each in endings] == [PodOutcome.KILLED] * 4 + [PodOutcome.KILLED_IN_VAIN]
        assert heard.seen == list(endings)

    run(law())


def test_a_queue_that_takes_every_pod_back_is_asked_at_a_slow_pace_and_until_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, api = Heard(), Api(answer=no_pod_stays)

    async def law() -> None:
        monkeypatch.setattr(attendance, "_LATER_SECONDS", 0.4)
        async with serving(api, tmp_path, monkeypatch) as cluster:
            *taken, last = await heard.attend(cluster, seconds=1.5, compute=replace(SMALL, queue="team-a"))
        assert {each.outcome for each in taken} == {PodOutcome.REQUEUED}
        assert last.outcome is PodOutcome.TOO_LONG

    run(law())
    assert 2 <= api.calls.count("POST pods") <= 5


def test_what_waits_for_long_is_looked_at_more_and_more_seldom() -> None:
    """An hour in a queue costs the API server some hundred calls, and what then happens is seen soon all the same."""
    waited = calls = 0.0
    while waited < 3600:
        pause = attendance._later(waited)
        assert pause <= min(15, max(1.0, waited / 9))
        waited, calls = waited + pause, calls + 1
    assert calls < 300
