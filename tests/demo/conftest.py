"""The contracts of the demo's production data."""

from tests.data.conftest import contracts

__all__ = ["contracts"]
