"""Lineage is handed on to where the settings say, with the key that they name."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from include.core.errors import AuthorityError
from include.core.events import LineageEmitted
from include.ledger import Ledger
from include.runtime.lineage import deliver
from include.settings import Settings


def test_an_endpoint_is_shown_the_key_in_the_file_that_a_setting_names(tmp_path: Path) -> None:
    shown: list[str | None] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the standard library's name
            self.rfile.read(int(self.headers["Content-Length"]))
            shown.append(self.headers["Authorization"])
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    key = tmp_path / "key"
    key.write_text("an API key\n")
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever).start()
        settings = Settings.from_environment(
            {
                "TRAINYARD_HOME": str(tmp_path),
                "TRAINYARD_LINEAGE": f"http://127.0.0.1:{server.server_port}/api/v1/lineage",
                "TRAINYARD_LINEAGE_KEY_FILE": str(key),
            }
        )
        Ledger.open(settings.ledger).receive("lineage", LineageEmitted(event="{}"))
        key.chmod(0o644)
        with pytest.raises(AuthorityError, match="mode 0644") as refused:
            deliver(settings)
        key.chmod(0o600)
        assert deliver(settings) == 1
        server.shutdown()
    assert shown == ["Bearer an API key"]
    assert "an API key" not in str(refused.value)
