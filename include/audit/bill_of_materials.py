"""What a model was made with, as a bill of materials that others' tools read (CycloneDX 1.6)."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote


def bill_of_materials(document: Mapping[str, Any]) -> bytes | None:
    """The packages of the passport *document* as CycloneDX; ``None``: the night recorded none.

    A package has no digest of its own once it is installed: the property ``trainyard:record`` is that of its RECORD,
    which names the digest of each of its files.
    """
    table = next(
        (table for each in document["sections"] for table in each["tables"] if table["title"] == "Installed packages"),
        None,
    )
    if table is None:
        return None
    model = {"type": "machine-learning-model", "name": document["project"], "version": str(document["version"])}
    written = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": document["written_at"], "component": model},
        "components": [_component(*(cell and cell["value"] for cell in row["cells"])) for row in table["rows"]],
    }
    return json.dumps(written, indent=1, ensure_ascii=False).encode() + b"\n"


def _component(name: str, version: str, record: str | None) -> dict[str, Any]:
    address = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
    told = {"type": "library", "bom-ref": address, "name": name, "version": version, "purl": address}
    return told if record is None else {**told, "properties": [{"name": "trainyard:record", "value": record}]}
