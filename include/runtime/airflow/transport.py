"""Airflow's own lineage events, into the ledger: what is delivered elsewhere is delivered from there."""

from typing import TYPE_CHECKING

import attr
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from include.core import streams

if TYPE_CHECKING:
    from openlineage.client.client import Event

    from include.ledger import Ledger


@attr.define
class LedgerConfig(Config):
    """Needs nothing: the ledger is where the settings say."""


class LedgerTransport(Transport):
    """Hands each event to the ledger's inbox. Airflow is told of it by ``AIRFLOW__OPENLINEAGE__TRANSPORT``."""

    kind = "ledger"
    config_class = LedgerConfig

    def __init__(self, config: LedgerConfig) -> None:
        self._config = config
        self._ledger: Ledger | None = None

    def emit(self, event: "Event") -> None:
        """Keep the event; one that is already kept changes nothing.

        Raises:
            LedgerUnavailable: the ledger's database cannot be reached. Airflow logs it and goes on.
        """
        from include.core.events import LineageEmitted
        from include.ledger import Ledger
        from include.settings import Settings

        self._ledger = self._ledger or Ledger.open(Settings.from_environment().ledger)
        self._ledger.receive(streams.LINEAGE, LineageEmitted(event=Serde.to_json(event)))
