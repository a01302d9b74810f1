"""A session of Spark, on whose executors tasks are done; whoever starts it ends it, with its Java process."""

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core.errors import DeclarationError, EngineUnavailable
from include.engines.spark.executor import ANSWERS, Kind, Work, answers

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

#: What Spark is told where its own files (`spark-defaults.conf`) cannot know better.
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.maxResultSize": "0",  # what comes back is what training reads, however much that is
}
#: The folders that executors import, below ``include``.
_ROOMS = ("core", "engines")


class Cluster:
    """Executors: one that is killed costs the tasks that it was at, which another does again."""

    def __init__(self, session: "SparkSession") -> None:
        self._session = session

    def done(self, work: Work) -> list[list[tuple[Kind, bytes]]]:
        """What was found of each task, in their order.

        Raises:
            EngineUnavailable: the cluster gave up a task, or cannot be reached any more.
        """
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        def run(numbers: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
            return answers(work, numbers)

        number = len(work.tasks)
        try:
            found = self._session.range(0, number, 1, number).mapInArrow(run, ANSWERS).toArrow()
        except (PySparkException, Py4JError, OSError, EOFError) as error:
            raise _unavailable(error) from None
        return by_task(found, number)


def by_task(found: "pa.Table", tasks: int) -> list[list[tuple[Kind, bytes]]]:
    """The answers of each of *tasks*, in their order, out of whatever order they came in."""
    answered: list[list[tuple[int, Kind, bytes]]] = [[] for _ in range(tasks)]
    columns = (found.column(name).to_pylist() for name in ("task", "place", "kind", "data"))
    for task, place, kind, data in zip(*columns, strict=True):
        answered[task].append((place, Kind(kind), data))
    return [[(kind, data) for _, kind, data in sorted(each)] for each in answered]


@contextmanager
def opened_cluster(address: str) -> Iterator[Cluster]:
    """The cluster whose master has *address*, with this package's code on it.

    A session that runs already is used, and goes on.

    Raises:
        DeclarationError: PySpark or Java is not installed here.
        EngineUnavailable: the master cannot be reached.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise DeclarationError(
            "TRAINYARD_ENGINE names a Spark cluster, which PySpark speaks to",
            value="it is not installed",
            remedy="Install requirements-spark.txt beside requirements.txt (`./trainyard` does, while the variable is "
            "set), and Java 17; or unset the variable.",
        ) from None
    running = SparkSession.getActiveSession()
    session = running or _started(address)
    try:
        _ship(session)
        yield Cluster(session)
    finally:
        if running is None:
            _end(session)


def _started(address: str) -> "SparkSession":
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # where PySpark looks for what workers start
    builder = SparkSession.builder.master(address).appName("trainyard")
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    try:
        session: SparkSession = builder.getOrCreate()
    except PySparkException as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise _unavailable(error) from None
        raise DeclarationError(
            "Spark's driver runs here, in Java 17",
            value="Java did not start",
            remedy="Install it (Debian: openjdk-17-jre-headless) and let JAVA_HOME or PATH lead to it; or unset "
            "TRAINYARD_ENGINE.",
        ) from None
    except (Py4JError, OSError) as error:
        raise _unavailable(error) from None
    session.sparkContext.setLogLevel("OFF")
    return session


def _end(session: Any) -> None:
    """End the application and the Java process, which would hold its memory until this process ends."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    with suppress(Exception):  # it may be what was lost
        session.stop()
    if gateway is not None:
        with suppress(Exception):
            gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _ship(session: "SparkSession") -> None:
    """Put this package, as far as executors import it, before what their Python has, once a session."""
    package = Path(__file__).resolve().parents[2]
    files = [package / "__init__.py"]
    files += sorted(path for room in _ROOMS for path in (package / room).rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    target = Path(session.sparkContext._temp_dir) / f"trainyard-{digest[:16]}.zip"  # executors fetch it from there
    if target.exists():
        return
    with zipfile.ZipFile(target, "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(package.parent))
    session.sparkContext.addPyFile(str(target))


def _unavailable(error: Exception) -> EngineUnavailable:
    """*error* by its kind: its text may hold what a worker met."""
    return EngineUnavailable(
        "the Spark cluster that TRAINYARD_ENGINE names computes what it is given",
        value=type(error).__name__,
        remedy="Look at its master's page and at the logs of its executors, then run the step again: what was recorded "
        "stays.",
    )
