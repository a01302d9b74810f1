"""What a run began in: the machine's kind, the interpreter, and every installed package."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Package:
    """An installed distribution. ``record`` is the digest of its RECORD, which names the digest of each of its files.

    ``None``: it was installed without one.
    """

    name: str
    version: str
    record: str | None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The interpreter (``python``) on a ``machine`` of a ``system``, ``cores`` to use, and the packages by name."""

    python: str
    system: str
    machine: str
    processor: str
    cores: int
    packages: tuple[Package, ...]
