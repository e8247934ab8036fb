"""What jobs of one run hand over to each other."""

import pytest

from lakehouse.errors import MissingHandoverError, NotStagedError
from lakehouse.job import Job


@pytest.fixture
def job(spark, tmp_path):
    """A job of a run whose id has what Airflow's ids have."""

    def job(table):
        arguments = {"run_id": "manual__2026-01-02T03:04:05+00:00", "database": "db", "landing": tmp_path}
        arguments |= {"consent_policy": "customer", "base": "{}"}
        return Job(table, [part for name, value in arguments.items() for part in (f"--{name}", str(value))])

    return job


def test_a_later_job_of_the_run_reads_what_was_handed_over_last(spark, job):
    for numbers in ([1, 2], [3]):
        job("customer_trusted").hand_over(spark.createDataFrame([(number,) for number in numbers], "number int"))
    assert job("step_trainer_trusted").handed_over("customer_trusted").collect() == [(3,)]


def test_a_missing_handover_is_an_error_that_says_which_task_to_clear(job):
    with pytest.raises(MissingHandoverError, match="Clear the task accelerometer_trusted, with the tasks after it"):
        job("step_trainer_trusted").handed_over("accelerometer_trusted")


def test_a_table_that_this_run_has_not_staged_is_an_error_that_says_which_task_to_clear(spark, job):
    spark.sql("CREATE TABLE IF NOT EXISTS glue_catalog.db.device_owners (serialnumber string) USING iceberg")
    with pytest.raises(NotStagedError, match=r"device_owners, .*Clear the task step_trainer_trusted, with the tasks"):
        job("machine_learning_curated").table("device_owners")


def test_a_base_that_is_no_json_object_is_refused_by_name():
    with pytest.raises(ValueError, match="argument --base: invalid snapshot_ids value"):
        Job("customer_trusted", ["--base", "[1]"])
