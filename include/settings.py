"""The only reader of the environment: where everything is. Read at run time, never on import.

Each variable, its meaning and its default stand in the README. A secret is never a setting: settings name the files
that hold keys, and only the process that uses a key opens it.
"""

import getpass
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from include.core.errors import DeclarationError
from include.core.records import CLASSES, RESTRICTED

#: The folder that holds ``include``, ``dags`` and the rest.
ROOT = Path(__file__).resolve().parent.parent

KNOWN = {
    "TRAINYARD_HOME",
    "TRAINYARD_LEDGER",
    "TRAINYARD_STORE",
    "TRAINYARD_VAULT",
    "TRAINYARD_PRODUCTION",
    "TRAINYARD_PROJECTS",
    "TRAINYARD_CONTRACTS",
    "TRAINYARD_CLASSES",
    "TRAINYARD_KEYS",
    "TRAINYARD_AUTHORITY_KEYS",
    "TRAINYARD_MLFLOW",
    "TRAINYARD_LINEAGE",
    "TRAINYARD_LINEAGE_KEY_FILE",
    "TRAINYARD_ALERTS_FILE",
    "TRAINYARD_ADDRESSES_FILE",
    "TRAINYARD_USER",
    "TRAINYARD_PLACEMENT",
    "TRAINYARD_NAMESPACE",
    "TRAINYARD_TRAINER_IMAGE",
    "TRAINYARD_ACCELERATORS",
}


class Placement(StrEnum):
    """Where training shards run."""

    LOCAL = "local"  # in the worker's own process
    KUBERNETES = "kubernetes"  # in a pod each


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where everything is. All paths are absolute.

    ``keys`` holds what the reader uses (pseudonym key, model-signing key, the authority's public key);
    ``authority_keys`` the grant-signing key, which only the authority's process may read. ``lineage`` is a file or
    an ``http(s)://`` endpoint, whose API key lies in ``lineage_key_file``. ``alerts_file`` names a file with one
    Apprise address a line, ``addresses_file`` one (mode 0600) with those of stewards and of who asks. ``user`` is
    who asks for access from the command line. ``placement`` says where training shards run: pods of
    ``trainer_image``, in the ``namespace`` of the cluster that ``KUBECONFIG`` (or the pod that we run in) names.
    ``accelerators`` is how many of them an embedded Airflow gives each pool of training shards (``None``: what the
    pool has). ``classes`` are the words of classification that this deployment adds, each with the one of ours that
    it counts as.
    """

    home: Path
    ledger: str
    store: str
    vault: str
    production: Path
    projects: Path
    contracts: Path
    classes: tuple[tuple[str, str], ...]
    keys: Path
    authority_keys: Path
    mlflow: str
    lineage: str
    lineage_key_file: Path | None
    alerts_file: Path | None
    addresses_file: Path | None
    user: str
    placement: Placement
    namespace: str
    trainer_image: str | None
    accelerators: int | None

    @property
    def classes_text(self) -> str:
        """``classes`` as the setting is written."""
        return ",".join("=".join(each) for each in self.classes)

    @property
    def has_cache(self) -> bool:
        """Whether the vault is no local folder, so that what is read of it is kept in ``home/cache``."""
        return "://" in self.vault and not self.vault.startswith(("file://", "local://"))

    def environment(self) -> dict[str, str]:
        """The variables that :meth:`from_environment` makes these settings of, in another process."""
        named = {
            "TRAINYARD_HOME": self.home,
            "TRAINYARD_LEDGER": self.ledger,
            "TRAINYARD_STORE": self.store,
            "TRAINYARD_VAULT": self.vault,
            "TRAINYARD_PRODUCTION": self.production,
            "TRAINYARD_PROJECTS": self.projects,
            "TRAINYARD_CONTRACTS": self.contracts,
            "TRAINYARD_CLASSES": self.classes_text,
            "TRAINYARD_KEYS": self.keys,
            "TRAINYARD_AUTHORITY_KEYS": self.authority_keys,
            "TRAINYARD_MLFLOW": self.mlflow,
            "TRAINYARD_LINEAGE": self.lineage,
            "TRAINYARD_LINEAGE_KEY_FILE": self.lineage_key_file,
            "TRAINYARD_ALERTS_FILE": self.alerts_file,
            "TRAINYARD_ADDRESSES_FILE": self.addresses_file,
            "TRAINYARD_USER": self.user,
            "TRAINYARD_PLACEMENT": self.placement,
            "TRAINYARD_NAMESPACE": self.namespace,
            "TRAINYARD_TRAINER_IMAGE": self.trainer_image,
            "TRAINYARD_ACCELERATORS": self.accelerators,
        }
        return {name: str(value) for name, value in named.items() if value is not None}

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

        home = _path(env, "TRAINYARD_HOME", ROOT / ".trainyard")
        alerts = env.get("TRAINYARD_ALERTS_FILE")
        addresses = env.get("TRAINYARD_ADDRESSES_FILE")
        lineage_key = env.get("TRAINYARD_LINEAGE_KEY_FILE")
        return cls(
            home=home,
            ledger=env.get("TRAINYARD_LEDGER") or f"sqlite:///{home / 'ledger.db'}",
            store=_address(env, "TRAINYARD_STORE", home / "store"),
            vault=_address(env, "TRAINYARD_VAULT", home / "vault"),
            production=_path(env, "TRAINYARD_PRODUCTION", home / "production"),
            projects=_path(env, "TRAINYARD_PROJECTS", ROOT / "include" / "projects"),
            contracts=_path(env, "TRAINYARD_CONTRACTS", ROOT / "include" / "contracts"),
            classes=tuple(_classes(env.get("TRAINYARD_CLASSES", ""))),
            keys=_path(env, "TRAINYARD_KEYS", home / "keys"),
            authority_keys=_path(env, "TRAINYARD_AUTHORITY_KEYS", home / "authority"),
            mlflow=env.get("TRAINYARD_MLFLOW") or f"sqlite:///{home / 'mlflow.db'}",
            lineage=_lineage(env, home / "lineage.jsonl"),
            lineage_key_file=Path(lineage_key).absolute() if lineage_key else None,
            alerts_file=Path(alerts).absolute() if alerts else None,
            addresses_file=Path(addresses).absolute() if addresses else None,
            user=env.get("TRAINYARD_USER") or getpass.getuser(),
            placement=_placement(env),
            namespace=env.get("TRAINYARD_NAMESPACE") or "trainyard",
            trainer_image=env.get("TRAINYARD_TRAINER_IMAGE") or None,
            accelerators=_whole(env, "TRAINYARD_ACCELERATORS"),
        )


def _placement(env: Mapping[str, str]) -> Placement:
    named = env.get("TRAINYARD_PLACEMENT") or Placement.LOCAL
    try:
        return Placement(named)
    except ValueError:
        raise DeclarationError(
            "TRAINYARD_PLACEMENT says where training shards run",
            value=named,
            remedy=f"Use one of {[str(each) for each in Placement]}.",
        ) from None


def _classes(text: str) -> Iterator[tuple[str, str]]:
    taken = set(CLASSES)
    for entry in filter(None, (part.strip().casefold() for part in text.split(","))):
        word, _, counts_as = (part.strip() for part in entry.partition("="))
        if word in taken or not word.replace("-", "_").isidentifier() or (counts_as or RESTRICTED) not in CLASSES:
            raise DeclarationError(
                "TRAINYARD_CLASSES adds words of classification, each once and counting as one that there is",
                value=entry,
                remedy=f"Write `word` (counts as {RESTRICTED}) or `word=internal`, separated by commas; "
                f"there are {', '.join(CLASSES)}.",
            )
        taken.add(word)
        yield word, counts_as or RESTRICTED


def _whole(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "")
    if text and not (text.isascii() and text.isdigit() and int(text) > 0):
        raise DeclarationError(f"{name} is a whole number above 0", value=text, remedy="Correct it, or unset it.")
    return int(text) if text else None


def _address(env: Mapping[str, str], name: str, default: Path) -> str:
    """A URL as it was given, or an absolute path: each process may have a working directory of its own."""
    return env[name] if "://" in env.get(name, "") else str(_path(env, name, default))


def _lineage(env: Mapping[str, str], default: Path) -> str:
    found = _address(env, "TRAINYARD_LINEAGE", default)
    if "://" in found and not found.startswith(("http://", "https://")):
        raise DeclarationError(
            "TRAINYARD_LINEAGE is a file or an http(s):// endpoint",
            value=f"protocol {found.partition('://')[0]!r}",
            remedy="Write the path of a file without a protocol.",
        )
    return found


def _path(env: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(env[name]).expanduser().absolute() if env.get(name) else default
