"""What the Glue task makes of a job in Glue."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dev.settings import lakehouse_settings
from local_aws import service
from stedi.glue_job import glue_job

NAME = lakehouse_settings().job_name("publish")


@pytest.fixture
def define(aws, aws_environment):
    """Has Glue take the job as a task does before it starts a run; gives Glue's definition."""
    settings, glue = lakehouse_settings(), aws.client("glue")
    service.start(aws, role=settings.glue_role_arn.rpartition("/")[2])

    def define(**changed):
        task = glue_job(replace(settings, **changed), "publish", "Publishes", {})
        code = {"publish": "s3://code/publish.py", "lakehouse": "s3://code/lakehouse.zip"}
        task.render_template_fields({"run_id": "run", "ti": SimpleNamespace(xcom_pull=lambda task: code)})
        task.hook.create_or_update_glue_job()
        return glue.get_job(JobName=NAME)["Job"]

    yield define
    glue.delete_job(JobName=NAME)


def test_a_job_that_has_not_changed_is_not_updated(define):
    assert define() == define()


def test_a_job_that_has_changed_is_updated(define):
    before, after = define(), define(number_of_workers=3)
    assert after["NumberOfWorkers"] == 3
    assert after["LastModifiedOn"] > before["LastModifiedOn"]


def test_a_job_has_the_script_the_execution_class_and_the_role_of_the_settings(define):
    job = define(execution_class="FLEX")
    assert job["Command"] == {"Name": "glueetl", "ScriptLocation": "s3://code/publish.py", "PythonVersion": "3"}
    assert (job["ExecutionClass"], job["Role"]) == ("FLEX", lakehouse_settings().glue_role_arn)
