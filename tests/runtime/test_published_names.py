"""What runs, databases, settings and scripts of earlier releases name leads where it led, wherever its code lies."""

from pkgutil import resolve_name
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import BaseTrigger

from include.core.canonical import decode, encode
from include.runtime.airflow.approval import DataStewardApprovalTrigger
from include.runtime.airflow.attendance import TrainingPodTrigger
from include.runtime.pods.endings import PodEnding
from include.runtime.pods.request import PodRequest

#: Airflow's database holds the arguments of a trigger until its task goes on: a night waits a day for its steward.
GATE = {"project": "p", "run_id": "r", "give_up_at": "2026-11-30T04:00:00+00:00", "poll_interval": 2.0, "after": None}
#: As 0.1 wrote it.
POD = (
    '{"code_digest":"sha256:2","command":["python","-m","include","train"],"compute":{"accelerators":0,"cpus":1.0,'
    '"ephemeral_storage_mib":1024,"image":null,"maximum_minutes":240,"memory_mib":2048,"pool":"training","spot":false},'
    '"cut_short":false,"deployment":"","digest":"sha256:3","fence":1,"give_up_at":"2026-11-30T04:00:00+00:00",'
    '"image":"i:1","labels":{},"namespace":"n","order_id":"o-1","plan":"sha256:1","project":"p","run_id":"r",'
    '"step":"train-0"}'
)
ENDING = '{"exit_code":0,"image_digest":null,"message":"","node":null,"outcome":"done","pod":"o-1-0","ran_seconds":2.0}'


@pytest.mark.parametrize(
    "name",
    [
        "include.__main__:main",  # `python -m include`, in images of pods
        "include.cli.__main__:main",
        "include.runtime.pinned:main",  # which a later release starts from a kept copy of this one
        "include.runtime.airflow.operators:StepOperator",  # in serialised DAGs, as the next three are
        "include.runtime.airflow.approval:DataStewardApprovalSensor",
        "include.runtime.airflow.watch_assembly:RetrainOperator",
        "include.runtime.airflow.pods:TrainingPodOperator",
        "include.runtime.airflow.executor:PromptExecutor",  # in settings of Airflow, as the next is
        "include.runtime.airflow.transport:LedgerTransport",
        "include.settings:Settings.from_environment",  # in scripts and notebooks, as all that follow are
        "include.runtime.local:open_platform",
        "include.runtime.projects:load_project",
        "include.runtime.scoring:load_champion",
        "include.contracts:load_folder",  # in tests of projects that were scaffolded, as the next are
        "include.lineage:column_lineage",
        "include.lineage:expressions_of",
        "include.lineage:scope_of",
    ],
)
def test_a_published_name_stays(name: str) -> None:
    assert callable(resolve_name(name))


@pytest.mark.parametrize(
    ("path", "arguments", "kind"),
    [
        ("include.runtime.airflow.approval.DataStewardApprovalTrigger", GATE, DataStewardApprovalTrigger),
        ("include.runtime.airflow.attendance.TrainingPodTrigger", {"request": POD}, TrainingPodTrigger),
    ],
)
def test_what_waits_in_the_database_of_an_earlier_release_waits_on(
    path: str, arguments: dict[str, Any], kind: type[BaseTrigger]
) -> None:
    trigger = import_string(path)(**arguments)
    assert isinstance(trigger, kind)
    assert trigger.serialize() == (path, arguments)


def test_what_a_trigger_of_an_earlier_release_said_of_pods_is_read() -> None:
    assert encode(decode(PodRequest, POD.encode())).decode() == POD, "as its digest and its pods' names hang on it"
    (ending,) = decode(tuple[PodEnding, ...], f"[{ENDING}]".encode())
    assert (ending.said, ending.image, ending.at_least) == (None, None, False)
