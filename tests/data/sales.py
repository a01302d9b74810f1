"""A dataset small enough to break on purpose."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.records import Column, ColumnType, Contract, KnownAt, PersonalKind, Treatment

DAY = date(2013, 7, 4)
SENTINEL = "SENTINEL-VALUE"


def sales_contract(**changes: Any) -> Contract:
    def column(name: str, type_: ColumnType, *, key: bool = False) -> Column:
        return Column(
            name=name,
            type=type_,
            classification="internal",
            restricted=False,
            personal=PersonalKind.NONE,
            treatment=Treatment.CLEAR,
            known_at=KnownAt(column=None),
            required=key,
            key=key,
            description="",
        )

    contract = Contract(
        dataset="sales",
        version="1.0.0",
        digest="sha256:" + "0" * 64,
        columns=(
            column("at", ColumnType.TIMESTAMP, key=True),
            column("shop", ColumnType.STRING),
            column("amount", ColumnType.NUMBER),
            column("items", ColumnType.INTEGER),
        ),
        stewards=("steward",),
        location="${TRAINYARD_PRODUCTION}/sales",
        partition_column="at",
        matures_after_days=0,
        freshness_hours=None,
        replay_days=0,
        retention_days={},
        expectations=(),
    )
    return replace(contract, **changes)


def sales_table(rows: int = 200) -> pa.Table:
    times = [datetime(2013, 7, 4) + timedelta(minutes=row) for row in range(rows)]  # noqa: DTZ001 -- as stored
    return pa.table(
        {
            "at": pa.array(times, pa.timestamp("us")),
            "shop": [f"{SENTINEL}-{row}" for row in range(rows)],
            "amount": [row / 7 for row in range(rows)],
            "items": list(range(rows)),
        }
    )


def land_sales(production: Path, table: pa.Table, name: str = "part.parquet", day: date = DAY) -> Path:
    file = production / "sales" / f"day={day}" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, write_page_checksum=True)
    return file
