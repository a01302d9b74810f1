"""The only reader of the environment: where everything is. Read at run time, never on import.

A setting is one row of :class:`Settings`; the docs say what each means. A secret is never a setting: settings
name the files that hold keys, and only the process that uses a key opens it.
"""

import getpass
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from include.core.errors import DeclarationError
from include.core.records import CLASSES, RESTRICTED

#: The folder that holds ``include``, ``dags`` and the rest.
ROOT = Path(__file__).resolve().parent.parent
#: Addresses of Spark's masters: standalone clusters, and those that run on this machine as long as the session.
_SPARK = re.compile(r"spark://[\w.,:-]+|local-cluster\[\d+,\d+,\d+\]|local\[[\d*]+\]")


class Placement(StrEnum):
    """Where training shards run."""

    LOCAL = "local"  # in the worker's own process
    KUBERNETES = "kubernetes"  # in a pod each


class Process(Enum):
    """What runs with settings that another process hands it."""

    SERVER = auto()  # serves the pages and, within them, the authority
    WORKER = auto()  # whatever else runs for Airflow: it decides about no access
    AUTHORITY = auto()  # the authority in a process of its own, which is named its keys as it is started


@dataclass(frozen=True)
class Setting:
    """How the text of a variable, whose name *parse* is given too, becomes a setting, and how that is written again.

    ``default`` is that of a home; ``told`` are the processes that the setting is handed to.
    """

    parse: Callable[[str, str], object]
    default: Callable[[Path], object] = lambda home: None
    write: Callable[[Any], str] = str
    told: Collection[Process] = (Process.SERVER, Process.WORKER)


def variable_of(name: str) -> str:
    return f"TRAINYARD_{name.upper()}"


def _text(text: str, variable: str) -> str:
    return text


def _path(text: str, variable: str) -> Path:
    """Absolute: each process may have a working directory of its own."""
    return Path(text).expanduser().absolute()


def _address(text: str, variable: str) -> str:
    """A URL as it was given, or an absolute path."""
    return text if "://" in text else str(_path(text, variable))


def _addresses(text: str, variable: str) -> tuple[str, ...]:
    found = tuple(_address(each.strip(), variable) for each in text.split(",") if each.strip())
    if not found:
        raise DeclarationError(f"{variable} names a folder or bucket at least", value=text, remedy="Correct it.")
    return found


def _lineage(text: str, variable: str) -> str:
    if "://" in text and not text.startswith(("http://", "https://")):
        raise DeclarationError(
            f"{variable} is a file or an http(s):// endpoint",
            value=f"protocol {text.partition('://')[0]!r}",
            remedy="Write the path of a file without a protocol.",
        )
    return _address(text, variable)


def _placement(text: str, variable: str) -> Placement:
    try:
        return Placement(text)
    except ValueError:
        raise DeclarationError(
            f"{variable} says where training shards run",
            value=text,
            remedy=f"Use one of {[str(each) for each in Placement]}.",
        ) from None


def _whole(text: str, variable: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise DeclarationError(f"{variable} is a whole number above 0", value=text, remedy="Correct it, or unset it.")
    return int(text)


def _engine(text: str, variable: str) -> str:
    if not _SPARK.fullmatch(text):
        raise DeclarationError(
            f"{variable} is the address of a Spark cluster's master, or unset",
            value=text,
            remedy="Write spark://HOST:7077, or local-cluster[2,1,1024] to try it on this machine; unset, features are "
            "computed in the process of the step.",
        )
    return text


def _classes(text: str, variable: str) -> tuple[tuple[str, str], ...]:
    return tuple(_words(text, variable))


def _words(text: str, variable: str) -> Iterator[tuple[str, str]]:
    taken = set(CLASSES)
    for entry in filter(None, (part.strip().casefold() for part in text.split(","))):
        word, _, counts_as = (part.strip() for part in entry.partition("="))
        if word in taken or not word.replace("-", "_").isidentifier() or (counts_as or RESTRICTED) not in CLASSES:
            raise DeclarationError(
                f"{variable} adds words of classification, each once and counting as one that there is",
                value=entry,
                remedy=f"Write `word` (counts as {RESTRICTED}) or `word=internal`, separated by commas; "
                f"there are {', '.join(CLASSES)}.",
            )
        taken.add(word)
        yield word, counts_as or RESTRICTED


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where everything is. All paths are absolute.

    ``source_credentials_file`` names a file (mode 0600), which only the reader opens, with what signs in to the servers
    of production data. ``keys`` holds what the reader uses (pseudonym key, model-signing key, the authority's public
    key); ``authority_keys`` the grant-signing key, which only the authority's process may read. ``checkpoints`` are the
    folders and buckets in which it publishes signed checkpoints of the ledger, the first one first. ``lineage`` is a
    file or an ``http(s)://`` endpoint, whose API key lies in ``lineage_key_file``. ``alerts_file`` is a file with one
    Apprise address a line, ``addresses_file`` one (mode 0600) with those of stewards and of who asks. ``user`` is
    who asks for access from the command line. ``placement`` says where training shards run: pods of
    ``trainer_image``, in the ``namespace`` of the cluster that ``KUBECONFIG`` (or the pod that we run in) names.
    ``engine`` is the address of the Spark cluster that features are computed on (``None``: none).
    ``accelerators`` is how many of them an embedded Airflow gives each pool of training shards (``None``: what the
    pool has). ``classes`` are the words of classification that this deployment adds, each with the one of ours that
    it counts as.
    """

    home: Annotated[Path, Setting(_path, lambda _: ROOT / ".trainyard")]
    ledger: Annotated[str, Setting(_text, lambda home: f"sqlite:///{home / 'ledger.db'}", told=list(Process))]
    store: Annotated[str, Setting(_address, lambda home: str(home / "store"))]
    vault: Annotated[str, Setting(_address, lambda home: str(home / "vault"))]
    production: Annotated[Path, Setting(_path, lambda home: home / "production", told=list(Process))]
    source_credentials_file: Annotated[Path | None, Setting(_path, told=(Process.WORKER,))]
    projects: Annotated[Path, Setting(_path, lambda _: ROOT / "include" / "projects")]
    contracts: Annotated[Path, Setting(_path, lambda _: ROOT / "include" / "contracts")]
    classes: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            _classes,
            lambda _: (),
            write=lambda classes: ",".join("=".join(each) for each in classes),
            told=list(Process),
        ),
    ]
    keys: Annotated[Path, Setting(_path, lambda home: home / "keys")]
    authority_keys: Annotated[Path, Setting(_path, lambda home: home / "authority", told=(Process.SERVER,))]
    checkpoints: Annotated[
        tuple[str, ...],
        Setting(_addresses, lambda home: (str(home / "checkpoints"),), write=",".join, told=list(Process)),
    ]
    mlflow: Annotated[str, Setting(_text, lambda home: f"sqlite:///{home / 'mlflow.db'}")]
    lineage: Annotated[str, Setting(_lineage, lambda home: str(home / "lineage.jsonl"))]
    lineage_key_file: Annotated[Path | None, Setting(_path)]
    alerts_file: Annotated[Path | None, Setting(_path)]
    addresses_file: Annotated[Path | None, Setting(_path)]
    user: Annotated[str, Setting(_text, lambda _: getpass.getuser())]
    placement: Annotated[Placement, Setting(_placement, lambda _: Placement.LOCAL)]
    namespace: Annotated[str, Setting(_text, lambda _: "trainyard")]
    trainer_image: Annotated[str | None, Setting(_text)]
    accelerators: Annotated[int | None, Setting(_whole)]
    engine: Annotated[str | None, Setting(_engine, told=(Process.WORKER,))]

    @property
    def has_cache(self) -> bool:
        """Whether the vault is no local folder, so that what is read of it is kept in ``home/cache``."""
        return "://" in self.vault and not self.vault.startswith(("file://", "local://"))

    def environment(self, process: Process | None = None) -> dict[str, str]:
        """The variables that :meth:`from_environment` makes these settings of, in another process.

        Of *process* only those that it is told.
        """
        rows = ((name, row, getattr(self, name)) for name, row in TABLE.items() if process in (None, *row.told))
        return {variable_of(name): row.write(value) for name, row, value in rows if value is not None}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings of this process.

        A variable that is empty is unset.

        Raises:
            DeclarationError: a ``TRAINYARD_*`` variable is not one of ours (a misspelt one would change nothing,
                silently), or has a value that cannot be.
        """
        env = os.environ if environment is None else environment
        unknown = sorted(
            name
            for name in env
            if name.startswith("TRAINYARD_") and name not in KNOWN and not name.startswith("TRAINYARD_TEST_")
        )
        if unknown:
            raise DeclarationError(
                "every TRAINYARD_ variable is a known setting",
                value=unknown,
                remedy=f"Unset it, or use one of {sorted(KNOWN)}.",
            )
        found: dict[str, Any] = {}
        for name, row in TABLE.items():
            text = env.get(variable_of(name))
            found[name] = row.parse(text, variable_of(name)) if text else row.default(found.get("home", ROOT))
        return cls(**found)


#: By the name of each setting, its row; ``home`` first.
TABLE: Mapping[str, Setting] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Settings, include_extras=True).items()
}
KNOWN = frozenset(map(variable_of, TABLE))
