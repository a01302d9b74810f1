"""The DAG that keeps a deployment in order: exactly these tasks, and nothing heavy to parse."""

import pytest

from tests.dags.conftest import Parse

ORDER = {
    "tell_late_nights": [],
    "deliver_lineage": [],
    "tell_stewards": [],
    "close_lost_attempts": [],
    "carry_out_retention": [],
    "follow_rollbacks": [],
    "draw_plots": [],
    "find_lost_retrainings": [],
    "start_lost_retrainings": ["find_lost_retrainings"],
}
PODS = {"TRAINYARD_PLACEMENT": "kubernetes", "TRAINYARD_TRAINER_IMAGE": "registry.invalid/trainer:1"}

BUCKET = {"TRAINYARD_VAULT": "s3://bucket/vault"}


@pytest.mark.parametrize(
    ("settings", "more"),
    [({}, {}), (PODS, {"remove_left_pods": [], "tell_waiting_training": []}), (BUCKET, {"trim_cache": []})],
)
def test_a_deployment_cleans_up_what_it_has_and_no_more(
    parse: Parse, settings: dict[str, str], more: dict[str, list[str]]
) -> None:
    parsed = parse(file="stewardship.py", **settings)
    dag = parsed["dags"]["stewardship"]
    assert {task_id: task["upstream"] for task_id, task in dag["tasks"].items()} == ORDER | more
    assert all(task["documented"] and task["retries"] == 3 for task in dag["tasks"].values())
    assert not {"kubernetes", "kubernetes_asyncio", "pandas"} & set(parsed["modules"])
