"""A Spark cluster of the tests' own: two workers, each a Java process of its own with a Python of its own."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

#: Two workers of one core and 1 GiB each, for as long as a session.
ADDRESS = "local-cluster[2,1,1024]"
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"


def require_installed() -> None:
    """Skip the test where Spark cannot run; in CI fail."""
    java = Path(os.environ.get("JAVA_HOME", "/"), "bin", "java").exists() or shutil.which("java")
    if importlib.util.find_spec("pyspark") is None or not java:
        reason = "needs requirements-spark.txt and Java 17 (apt-get install openjdk-17-jre-headless)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@contextmanager
def configured(folder: Path) -> Iterator[None]:
    """What is started meanwhile finds the configuration that the page for users has, of smaller processes."""
    (defaults,) = re.findall(r"EOF_CONF\n(.*?)EOF_CONF", _PAGE.read_text(), re.DOTALL)
    small = re.sub(r"\dg\b", "512m", defaults)
    (folder / "spark-defaults.conf").write_text(f"{small}spark.local.dir {folder}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        yield


def executors() -> list[psutil.Process]:
    """The Java processes of executors that this process's session has."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any("CoarseGrainedExecutorBackend" in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
