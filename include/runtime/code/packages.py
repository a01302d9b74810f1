"""What a run begins in, as it is recorded: the machine, the interpreter, and the packages that it can import."""

import os
import platform
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from include.core.records import Environment, Package

_INSTALLED = ".dist-info"


@cache
def environment_of_this_process() -> Environment:
    """The environment of this process, or of the one that forked it: what its path held when it was first asked."""
    found = {package.name: package for folder in reversed(sys.path) for package in _packages(Path(folder or "."))}
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        machine=platform.machine(),
        processor=_processor(),
        cores=_cores(),
        packages=tuple(found[name] for name in sorted(found)),
    )


def _packages(folder: Path) -> Iterator[Package]:
    """The distributions in *folder*, by the names of their metadata's folders: to read the metadata takes longer."""
    if not folder.is_dir():
        return
    for place in folder.iterdir():
        if place.name.endswith(_INSTALLED):
            name, _, version = place.name.removesuffix(_INSTALLED).partition("-")
            record = place / "RECORD"
            digest = f"sha256:{sha256(record.read_bytes()).hexdigest()}" if record.is_file() else None
            yield Package(name=name, version=version, record=digest)


def _cores() -> int:
    """How many cores this process may use; not what a container leaves of them, which takes a heavy import to know."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    """The model of the processor, where the system says it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(errors="replace").splitlines() if told.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
