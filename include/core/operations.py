"""When and where a project's runs take place, and what they may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from include.core.canonical import LATER
from include.core.rules import is_label, is_number, is_taint, is_whole, require, require_kind, require_yes_or_no
from include.core.schedules import require_schedule, require_timezone

#: A step of data takes as much in memory before it has a row: the interpreter and the libraries of the field.
LEAST_DATA_MIB = 768


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What one training shard may take, and for how long, where the deployment places it in a pod; and a data step.

    ``pool`` is the Airflow pool that it takes ``accelerators`` slots of (one slot, if it takes no accelerator).
    ``cpus``, ``memory_mib`` and ``ephemeral_storage_mib`` are the pod's requests and limits at once. ``image`` replaces
    the deployment's trainer image. ``spot``: it may run on nodes that are taken away at any moment.
    ``maximum_minutes`` bounds waiting for a place and running together. ``node_selector`` names labels that its nodes
    have, ``tolerations`` taints that do not keep it from them, each as ``kubectl taint`` writes it
    (``sku=gpu:NoSchedule``; what is left out may be anything). ``queue`` is the Kueue queue, of the pods' namespace, in
    which it waits.

    ``data_memory_mib`` is what a step that makes or reads data (snapshot, validate, features, score, drift) may take in
    memory, its process included: what would take more goes through in stretches of days, and beside them to disk. It
    changes no result.
    """

    pool: str = "training"
    accelerators: int = 0
    cpus: float = 1.0
    memory_mib: int = 2048
    ephemeral_storage_mib: int = 1024
    image: str | None = None
    spot: bool = False
    maximum_minutes: int = 240
    node_selector: Mapping[str, str] | None = field(default=None, metadata=LATER)
    tolerations: tuple[str, ...] = field(default=(), metadata=LATER)
    queue: str | None = field(default=None, metadata=LATER)
    data_memory_mib: int = field(default=4096, metadata=LATER)

    def __post_init__(self) -> None:
        require(self.accelerators >= 0, "a shard takes 0 or more accelerators", self.accelerators, "Raise it.")
        positive = (self.cpus, self.memory_mib, self.ephemeral_storage_mib, self.maximum_minutes)
        require(min(positive) > 0, "what a shard takes is above 0", positive, "Raise what is not.")
        labelled = self.node_selector is None or isinstance(self.node_selector, Mapping)
        require(
            labelled and all(is_label(*each) for each in (self.node_selector or {}).items()),
            "`node_selector` maps labels of nodes to their values",
            self.node_selector,
            'Write {"cloud.google.com/gke-accelerator": "nvidia-l4"}, say.',
        )
        listed = not isinstance(self.tolerations, str)
        require(
            listed and all(map(is_taint, self.tolerations)),
            "`tolerations` lists taints of nodes",
            self.tolerations,
            'Write ("sku=gpu:NoSchedule",), say.',
        )
        room = is_whole(self.data_memory_mib) and self.data_memory_mib >= LEAST_DATA_MIB
        remedy = f"Write {LEAST_DATA_MIB}, or more."
        require(room, f"`data_memory_mib` is a whole number from {LEAST_DATA_MIB} on", self.data_memory_mib, remedy)
        queued = self.queue is None or (self.queue != "" and is_label("queue", self.queue))
        require(queued, "`queue` is the name of a queue of Kueue", self.queue, "Write its LocalQueue's name.")


@dataclass(frozen=True, kw_only=True)
class Operations:
    """When and where it runs. Recorded, but no part of a digest, ``copy_model`` apart: it changes no result.

    ``schedule`` is a cron line, ``watch_schedule`` that of the drift watch, both in ``timezone``, an IANA name: on the
    two nights of a year on which its clocks change they run when Airflow's own timetable says. ``threads`` is what one
    training task may use; what is alone in its night, as the refit is, takes the cores that are idle.
    ``gate_patience_minutes`` is how long the gate waits for a steward, at most; ``late_after_minutes`` when ops are
    told that a run is late (the steward's time not counted). ``compute`` is what a training shard takes where it runs
    in a pod. ``copy_model``: each registered model is copied into MLflow, where it opens without grant and receipt;
    stewards are asked for that.
    """

    schedule: str = "0 4 * * *"
    watch_schedule: str = "0 6 * * *"
    timezone: str = "UTC"
    threads: int = 1
    gate_patience_minutes: int = 20 * 60
    late_after_minutes: int = 4 * 60
    compute: Compute = field(default_factory=Compute)
    copy_model: bool = False

    def __post_init__(self) -> None:
        require_schedule("schedule", self.schedule)
        require_schedule("watch_schedule", self.watch_schedule)
        require_timezone(self.timezone)
        several = is_whole(self.threads) and self.threads >= 1
        require(several, "`threads` is a whole number from 1 on", self.threads, "Write 1, or more.")
        minutes = {"gate_patience_minutes": self.gate_patience_minutes, "late_after_minutes": self.late_after_minutes}
        odd = {name: value for name, value in minutes.items() if not is_number(value) or value < 0}
        require(not odd, "minutes are numbers from 0 on", odd, "Write 60 for an hour.")
        require_kind("operations.compute", self.compute, Compute)
        require_yes_or_no("copy_model", self.copy_model)
