"""The demo's production data and its contracts."""

from tests.data.conftest import contracts, production

__all__ = ["contracts", "production"]
