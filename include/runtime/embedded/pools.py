"""The pools of an embedded Airflow: what keeps tasks from taking more of the machine, or the cluster, than there is."""

import time

from include.runtime.embedded.client import AirflowRefused, Client
from include.runtime.trainers import trainer_of
from include.settings import Settings

#: A training task keeps its slots while it waits deferred, for what runs elsewhere. A gate has a pool of its own, so
#: that waiting for a person never keeps a training task from starting. `airflow_settings.yaml` says the same.
GATE_SLOTS = 16
_ATTEMPTS = 10


def make_pools(settings: Settings, client: Client) -> None:
    """The gates' pool, and those that training takes slots of: accelerators, where it runs elsewhere.

    ``TRAINYARD_ACCELERATORS`` says how many a pool has. Without it, one that is there keeps what ops gave it, and one
    that is made has enough for each declared project.
    """
    _put_pool(client, "gates", slots=GATE_SLOTS, include_deferred=False, keep_slots=False)
    for pool in trainer_of(settings).pools():
        _put_pool(client, pool.name, slots=pool.slots, include_deferred=True, keep_slots=pool.keep)


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
