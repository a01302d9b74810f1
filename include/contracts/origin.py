"""What a draft says of the table that its rows come from, beside the rows."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class TableOrigin:
    """Where the files of a table lie that keeps its snapshots, and when its ``first_commit`` was that is still kept."""

    stored_at: str
    first_commit: datetime | None
