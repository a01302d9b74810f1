"""A table of Apache Iceberg, as its catalog says: read as it was at the instant of a run."""

from include.data.sources.iceberg.source import IcebergSource

__all__ = ["IcebergSource"]
