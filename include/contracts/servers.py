"""Which servers a contract may name, and where its data then lies: a path, or an address with a scheme.

Another kind of server is a row of :data:`_SERVERS` here, and one in :mod:`include.data.sources`.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.document import refuse, text_of
from include.core.errors import ContractError

if TYPE_CHECKING:
    from open_data_contract_standard.model import OpenDataContractStandard, Server

_S3 = "s3"
#: A bucket, and a folder of keys in it.
_S3_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?\[\]{}]+)*/?")


def scheme_of(location: str) -> str:
    """The scheme of an address; of a path, none."""
    return _S3 if location.startswith(f"{_S3}://") else ""


def bucket_of(location: str) -> tuple[str, str]:
    """The bucket of an ``s3://`` address, and the folder of keys in it (``""``: the whole bucket)."""
    bucket, _, folder = location.removeprefix(f"{_S3}://").partition("/")
    return bucket, folder


def require_address(text: str) -> str:
    """*text*, the address of a folder in a bucket. Raises ContractError, which quotes none that holds credentials."""
    if not _S3_ADDRESS.fullmatch(text):
        raise ContractError(
            "the address of a folder in a bucket is s3://bucket/folder",
            value="something else" if "@" in text else text,
            remedy="Write it without credentials, patterns or empty names.",
        )
    return text


def lineage_name(location: str) -> tuple[str, str] | None:
    """The namespace and the name of data at an address, by OpenLineage's rules; ``None``: it lies on this machine."""
    if not scheme_of(location):
        return None
    bucket, folder = bucket_of(location)
    return f"s3://{bucket}", folder or "/"


def location_of(file: Path, document: "OpenDataContractStandard") -> str:
    """Where the data of the contract in *file* lies. Raises ContractError where that is none of our servers."""
    servers = document.servers or []
    if len(servers) != 1 or servers[0].type not in _SERVERS or servers[0].format != "parquet":
        found = ", ".join(f"{server.type}/{server.format}" for server in servers) or "none"
        kinds = " or ".join(f"`type: {name}`" for name in _SERVERS)
        refuse(
            file,
            "servers",
            "a dataset lies on one server that can be read, as Parquet",
            found,
            f"Write one server with {kinds}, and `format: parquet`.",
        )
    return _SERVERS[servers[0].type](file, servers[0])


def _path(file: Path, server: "Server") -> str:
    path = text_of(file, "servers[0].path", server.path)
    if scheme_of(path):
        remedy = f"Write `type: {scheme_of(path)}` and `location` for it."
        refuse(file, "servers[0].path", "a local server has a path", "an address", remedy)
    return path


def _s3_address(file: Path, server: "Server") -> str:
    location = text_of(file, "servers[0].location", server.location)
    try:
        require_address(location)
    except ContractError as error:
        refuse(file, "servers[0].location", error.rule, error.value, error.remedy)
    if server.endpointUrl:
        remedy = "Remove it: `endpoint_url` in the reader's file of credentials says where these go."
        refuse(file, "servers[0].endpointUrl", "who holds credentials says where they are sent", "an endpoint", remedy)
    return location.rstrip("/")


#: By the standard's type of server, how it says where the data lies.
_SERVERS: Mapping[str | None, Callable[[Path, "Server"], str]] = {"local": _path, _S3: _s3_address}
