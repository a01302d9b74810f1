"""Planted values of persons, looked for in everything that a night through Airflow leaves."""

import base64
import struct
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.events import StepFinished
from include.core.records import FeatureSet, Plan, Snapshot
from include.runtime.embedded.client import Client
from include.runtime.embedded.process import RunningAirflow
from include.runtime.nights.platform import open_platform
from tests.night.scan import files_with_any
from tests.runtime.conftest import NIGHT_SECONDS
from tests.runtime.nights import INSTANT, approve, declare, until

pytestmark = pytest.mark.airflow

#: What every name, every card and the two clubs that hardly anybody is in begin with.
NAME, CARD, RARE = "XQNAMEVJQX", "XQCARDVJQX", "XQCLUBVJQX"
#: Telephones and accounts are this and a little more: their decimals and their bytes begin and end alike.
PHONE, ACCOUNT = 0x0A51_A3B7_C9D1_0000, 0x0B67_94E8_D5F3_0000
#: Incomes that three members have, the least, a usual one and the highest.
INCOMES = (-771.0166015625, 513.0322265625, 88113.0166015625)

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: urn:trainyard:contract:members
version: 1.0.0
status: active
servers: [{server: production, type: local, format: parquet, path: "${TRAINYARD_PRODUCTION}/members"}]
roles: [{role: data-steward, access: read, firstLevelApprovers: steward}]
slaProperties: [{property: retention, element: snapshot, value: 400, unit: d}]
schema:
  - name: members
    physicalType: parquet
    customProperties: [{property: maturesAfterDays, value: 1}]
    properties:
"""
COLUMN = """
      - {{name: {name}, logicalType: {type}, classification: {classification}, {key}required: true,
         customProperties: [{{property: knownAt, value: "{known}"}}, {{property: personal, value: {personal}}}]}}
"""
COLUMNS = (
    ("id", "integer", "internal", "primaryKey: true, ", "at", "none"),
    ("at", "timestamp", "internal", "partitioned: true, ", "at", "none"),
    ("name", "string", "confidential", "", "at", "direct-identifier"),
    ("phone", "integer", "confidential", "", "at", "direct-identifier"),
    ("card", "string", "confidential", "", "at", "join-key"),
    ("account", "integer", "confidential", "", "at", "join-key"),
    ("club", "string", "confidential", "", "at", "join-key"),
    ("income", "number", "restricted", "", "at", "none"),
    ("visits", "integer", "internal", "", "at", "none"),
    ("late", "integer", "internal", "", "at + P1D", "none"),
)

PROJECT = """
from include.core.project import *


def rows(members):
    return members.select("id", "at", predicted_at=members.at)


def late(members):
    return members.select("id", label=members.late.cast("int8"))


def known(members):
    return members.select(
        "id", "income", "visits", in_club=members.club.notnull(), same=members.card == members.account.cast("string")
    )


PROJECT = Project(
    name="{name}",
    ownership=Ownership(
        owner="team-{name}",
        purpose="Shows where the values of persons stay",
    ),
    learning=Learning(
        target=Target(dataset="members", key=("id",), population=rows, label=late, objective=Objective.BINARY),
        features=(FeatureGroup(name="known", build=known),),
        window=Window(days=10, validation_days=2, holdout_days=2),
        search=Search(space={{"num_leaves": IntRange(low=7, high=15)}}, fixed={{}}, trials=2, shards=2, rungs=(5,)),
    ),
    quality=Quality(
        gates=Gates(margin=1.0, floor_loss=5.0, floor_auc=0.0, minimum_days=1, skill=None),
    ),
    operations=Operations(schedule="0 4 1 1 *"{operations}),
)
"""


def plant(folder: Path, last: date) -> None:
    """Two weeks of members, 50 a day."""
    for back in range(14):
        day = last - timedelta(days=back)
        ids = [back * 50 + number for number in range(50)]
        usual = [100.0 * (1 + (each * 37) % 97) for each in ids]
        table = pa.table(
            {
                "id": ids,
                "at": [datetime.combine(day, time(9, each % 60), UTC) for each in ids],
                "name": [f"{NAME}{each}" for each in ids],
                "phone": pa.array([PHONE + each for each in ids], pa.int64()),
                "card": [f"{CARD}{each % 90}" for each in ids],
                "account": pa.array([ACCOUNT + each % 90 for each in ids], pa.int64()),
                "club": [f"{RARE}{each}" if each % 50 == 49 else f"club {each % 3}" for each in ids],
                "income": [INCOMES[each % 50] if each % 50 < len(INCOMES) else usual[each % 50] for each in ids],
                "visits": [(each * 13) % 11 for each in ids],
                "late": pa.array([int((each * 29) % 7 < 3) for each in ids], pa.int64()),
            }
        )
        (folder / f"day={day}").mkdir(parents=True)
        pq.write_table(table, folder / f"day={day}" / "part-0.parquet")


def texts(text: str) -> list[bytes]:
    """*text* in clear, reversed, as hex, and as it stands in base64 whatever precedes and follows it."""
    data = text.encode()
    shifted = [
        base64.b64encode(b"\0" * before + data)[(0, 2, 3)[before] :][: len(data) * 4 // 3 - 3] for before in range(3)
    ]
    return [data, data[::-1], data.hex().encode(), *shifted]


def numbers(number: int) -> list[bytes]:
    """What all numbers from *number* to 2¹⁶ - 1 more share: their first digits, and 6 of their 8 bytes."""
    packed = struct.pack("<q", number)[2:]
    return [*texts(str(number)[:13]), packed, packed[::-1], packed.hex().encode(), packed[::-1].hex().encode()]


def test_values_of_persons_are_found_nowhere_and_restricted_ones_only_where_features_are(
    airflow: RunningAirflow, dana: Client, steward: Client
) -> None:
    settings = airflow.settings
    plant(settings.production / "members", INSTANT.date() - timedelta(days=1))
    columns = [
        COLUMN.format(name=name, type=type_, classification=classified, key=key, known=known, personal=personal)
        for name, type_, classified, key, known, personal in COLUMNS
    ]
    (settings.contracts / "members.odcs.yaml").write_text(CONTRACT + "".join(columns))
    dag_id = declare(settings.projects, "canaries", text=PROJECT)
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    run_id = dana.trigger(dag_id, instant=INSTANT)
    until(lambda: approve(steward, "canaries"), seconds=60, what="the project asks")
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "success"

    persons = [form for text in (NAME, CARD, RARE) for form in texts(text)]
    persons += [form for number in (PHONE, ACCOUNT) for form in numbers(number)]
    home = settings.home
    assert files_with_any(persons, settings.production), "the scan sees them where they are"
    assert files_with_any(persons, home) == []

    platform = open_platform(settings)
    made = {
        event.step: event.output
        for event in (entry.event for entry in platform.ledger.read_all())
        if isinstance(event, StepFinished) and event.project == "canaries"
    }
    snapshot, features = platform.load(Snapshot, made["snapshot"]), platform.load(FeatureSet, made["features"])
    binned = platform.load(Plan, made["plan"]).binned  # the features again: LightGBM keeps the ends of each
    theirs = {part.content for part in (*snapshot.partitions, *features.partitions)} | {binned}
    clear = [form for income in INCOMES for form in (*texts(repr(income)), struct.pack("<d", income))]
    found = {Path(path) for path in files_with_any(clear, home)}
    assert found, "a feature holds them"
    assert {path.parts[0] for path in found} == {"vault"}
    assert {f"sha256:{''.join(path.parts[-2:])}" for path in found} <= theirs
