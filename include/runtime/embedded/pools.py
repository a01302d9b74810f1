"""The pools of an embedded Airflow: what keeps tasks from taking more of the machine, or the cluster, than there is."""

import time

from include.core.project import Compute
from include.runtime.code.projects import loadable
from include.runtime.embedded.client import AirflowRefused, Client
from include.settings import Placement, Settings

#: The slots of the pools. A training task keeps its slots while it waits deferred for its pod, which runs elsewhere; a
#: gate has a pool of its own, so that waiting for a person never keeps a training task from starting.
#: `airflow_settings.yaml` says the same to the Astro CLI.
TRAINING_SLOTS, GATE_SLOTS = 2, 16
_ATTEMPTS = 10


def make_pools(settings: Settings, client: Client) -> None:
    """The gates' pool, and those that training shards take slots of: accelerators, where they run in pods.

    ``TRAINYARD_ACCELERATORS`` says how many a pool has. Without it, one that is there keeps what ops gave it, and one
    that is made has enough for each declared project.
    """
    _put_pool(client, "gates", slots=GATE_SLOTS, include_deferred=False, keep_slots=False)
    if settings.placement is Placement.LOCAL:
        _put_pool(client, "training", slots=TRAINING_SLOTS, include_deferred=True, keep_slots=False)
        return
    for pool, asked in sorted(_training_pools(settings).items()):
        slots = settings.accelerators or max(TRAINING_SLOTS, asked)
        _put_pool(client, pool, slots=slots, include_deferred=True, keep_slots=settings.accelerators is None)


def _put_pool(client: Client, name: str, *, slots: int, include_deferred: bool, keep_slots: bool) -> None:
    """Airflow's other processes are starting, and keep its SQLite database busy: it refuses for a moment."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            client.put_pool(name, slots=slots, include_deferred=include_deferred, keep_slots=keep_slots)
            return
        except AirflowRefused:
            if not left:
                raise
            time.sleep(1)


def _training_pools(settings: Settings) -> dict[str, int]:
    """The pools that declared projects name, with the most accelerators that a task asks of each."""
    pools = {Compute().pool: 0}
    for project in loadable(settings.projects):
        compute = project.operations.compute
        pools[compute.pool] = max(pools.get(compute.pool, 0), compute.accelerators)
    return pools
