"""The settings of Spark that are true of one machine only, and the environment of its processes."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from local_aws.glue.jars import java_home, spark_home
from local_aws.settings import GLUE_KEY, REGION, LocalAws, java_options

#: Spark puts its configuration's directory on the class path, which must be the same for every JVM (for the class
#: archive): this one, beside the jars, does not exist.
NO_CONFIGURATION = "no-configuration"
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
#: One that gives memory back after a run, since a JVM with too much serves no other: Java's default, G1, takes all that
#: it may.
_COLLECTOR = "-XX:+UseSerialGC -XX:-ShrinkHeapInSteps -XX:MaxHeapFreeRatio=45"

LOG4J2 = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex{3}
"""
# True on every start of a local Spark, and of no use to whoever reads a job's log.
HARMLESS = (
    "org.apache.hadoop.util.NativeCodeLoader",
    "org.apache.hadoop.metrics2.impl.MetricsConfig",
    "org.apache.spark.sql.catalyst.util.SparkStringUtils",
    "software.amazon.awssdk.transfer",
    "com.amazonaws.util.VersionInfoUtils",
)


def settings(local_aws: LocalAws, conf: Iterable[str]) -> dict[str, str]:
    """Spark's settings on one machine, without those of a job: both cores, the local S3 and Glue, a quiet start.

    ``conf`` are the names of a job's own settings: its Iceberg catalogs are pointed to the local Glue.
    """
    result = {
        "spark.master": "local[2]",
        "spark.driver.memory": "2g",
        "spark.driver.defaultJavaOptions": f"{_COLLECTOR} {java_options()}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        # One job has more pieces of generated code than the 100 that Spark keeps compiled by default.
        "spark.sql.codegen.cache.maxEntries": "1000",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": local_aws.endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "spark.hadoop.fs.s3a.access.key": GLUE_KEY,
        "spark.hadoop.fs.s3a.secret.key": GLUE_KEY,
    }
    for catalog in [match[1] for key in conf if (match := re.fullmatch(r"spark\.sql\.catalog\.([^.]+)", key))]:
        result |= {
            f"spark.sql.catalog.{catalog}.s3.path-style-access": "true",
            f"spark.sql.catalog.{catalog}.s3.endpoint": local_aws.endpoint,
            f"spark.sql.catalog.{catalog}.glue.endpoint": local_aws.endpoint,
            f"spark.sql.catalog.{catalog}.client.region": REGION,
        }
    return result


def environment(local_aws: LocalAws, directory: Path) -> dict[str, str]:
    """The whole environment of a process that works in ``directory``: nothing of the caller's own."""
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    return local_aws.client_environment(GLUE_KEY) | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(directory),
        "TMPDIR": str(temporary),
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",  # the same in all Pythons of a run, as spark-submit does it
    }


def write_properties(path: Path, values: dict[str, str]) -> None:
    """Writes settings as the file that ``spark-submit --properties-file`` reads."""
    escaped = {key: value.replace("\\", "\\\\").replace("\n", "\\n") for key, value in values.items()}
    path.write_text("".join(f"{key} {value}\n" for key, value in escaped.items()))


def write_log4j2(path: Path) -> None:
    """Writes the logging configuration: warnings to stderr, without those that say nothing of a job."""
    quiet = "".join(f"logger.q{n}.name = {name}\nlogger.q{n}.level = error\n" for n, name in enumerate(HARMLESS))
    path.write_text(LOG4J2 + quiet)
