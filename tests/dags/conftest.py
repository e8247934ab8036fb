from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dag():
    from airflow.dag_processing.dagbag import BundleDagBag

    dags = Path(__file__).resolve().parents[2] / "dags"
    bag = BundleDagBag(dag_folder=str(dags), bundle_path=dags, bundle_name="dags")
    return bag.dags["stedi_lakehouse"]
