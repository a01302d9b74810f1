"""A ledger whose authority publishes checkpoints."""

from tests.audit.signed import houses, local, sqlite_ledger_url

__all__ = ["houses", "local", "sqlite_ledger_url"]
