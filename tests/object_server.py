"""An object store of a test's own, to be killed and started again: the server in ``TRAINYARD_TEST_S3``."""

import lzma
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest


def program(folder: Path) -> Path:
    """The server's program, unpacked into *folder*. Where there is none the test is skipped, but in CI it fails."""
    given = os.environ.get("TRAINYARD_TEST_S3")
    packed = Path(given or "/nowhere") / "versitygw.xz"
    if not packed.exists():
        reason = "no object store to kill: TRAINYARD_TEST_S3 names the folder that holds its server"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    path = folder / "versitygw"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    path.chmod(0o700)
    return path


class ObjectServer:
    """A server on loopback that keeps its buckets in a folder, whatever happens to its process."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = _lasting_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "root",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        (folder / "buckets").mkdir()

    def start(self) -> None:
        secret = self.environment["AWS_SECRET_ACCESS_KEY"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-p", f"127.0.0.1:{self._port}", "posix", str(self._folder / "buckets")],
                env={"ROOT_ACCESS_KEY": "root", "ROOT_SECRET_KEY": secret, "PATH": os.environ["PATH"]},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail(f"the object store does not start: {(self._folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def _lasting_port() -> int:
    """A free port of those that the system gives no client: while the server is down nobody else comes to have it."""
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as free:
            if free.connect_ex(("127.0.0.1", port)):
                return port
    pytest.fail("no free port among 20000 to 32000")
