"""The record of calls: who called what, on what, in the words of IAM."""

import pytest
from athena_client import Athena

from local_aws import service
from local_aws.calls import read_calls
from local_aws.settings import LocalAws, free_port
from tests.local_aws.glue_jobs import BUCKET, ROLE

GLUE = "arn:aws:glue:us-east-1:000000000000:"


@pytest.fixture(scope="module")
def recording_aws(tmp_path_factory):
    root = tmp_path_factory.mktemp("calls")
    local_aws = LocalAws(free_port(), root / "aws")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LOCAL_AWS_CALLS", str(root / "calls.jsonl"))
        service.start(local_aws, bucket=BUCKET, role=ROLE)
    yield local_aws
    service.stop(local_aws)


@pytest.fixture
def calls_of(recording_aws):
    def of(principal):
        """{(action, resource): condition keys} of the calls of a principal"""
        made = read_calls(recording_aws.state.parent / "calls.jsonl")
        return {(call.action, call.resource): call.context for call in made if call.principal == principal}

    return of


def s3(key=""):
    return f"arn:aws:s3:::{BUCKET}/{key}" if key else f"arn:aws:s3:::{BUCKET}"


def test_a_call_of_s3_is_a_permission_on_each_object_that_it_reads_writes_or_deletes(recording_aws, calls_of):
    client = recording_aws.client("s3", "object-user")
    client.put_object(Bucket=BUCKET, Key="a/1 +.json", Body=b"{}")
    client.head_object(Bucket=BUCKET, Key="a/1 +.json")
    client.copy_object(Bucket=BUCKET, Key="b/2", CopySource={"Bucket": BUCKET, "Key": "a/1 +.json"})
    client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "b/2"}, {"Key": "b/3"}]})
    assert client.get_object(Bucket=BUCKET, Key="a/1 +.json")["Body"].read() == b"{}"

    assert set(calls_of("object-user")) == {
        ("s3:PutObject", s3("a/1 +.json")),
        ("s3:GetObject", s3("a/1 +.json")),
        ("s3:PutObject", s3("b/2")),
        ("s3:DeleteObject", s3("b/2")),
        ("s3:DeleteObject", s3("b/3")),
    }


def test_what_is_forbidden_or_missing_is_recorded_too_and_a_listing_with_its_prefix(recording_aws, calls_of):
    client = recording_aws.client("s3", "looker")
    client.list_objects_v2(Bucket=BUCKET, Prefix="landing/")
    with pytest.raises(client.exceptions.ClientError):
        client.head_object(Bucket=BUCKET, Key="folder/")

    assert calls_of("looker") == {
        ("s3:ListBucket", s3()): {"s3:prefix": "landing/"},
        ("s3:GetObject", s3("folder/")): {},
    }


def test_the_parts_of_an_upload_are_permissions_to_put_or_abort(recording_aws, calls_of):
    client = recording_aws.client("s3", "uploader")
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
    client.upload_part(Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=1, Body=b"1")
    client.abort_multipart_upload(Bucket=BUCKET, Key="large", UploadId=upload)

    assert set(calls_of("uploader")) == {("s3:PutObject", s3("large")), ("s3:AbortMultipartUpload", s3("large"))}


def test_a_call_on_a_table_needs_its_database_and_the_catalog_too(recording_aws, calls_of):
    client = recording_aws.client("glue", "cataloguer")
    client.create_database(DatabaseInput={"Name": "steps"})
    client.create_table(DatabaseName="steps", TableInput={"Name": "t"})
    client.get_tables(DatabaseName="steps")

    catalog, database = f"{GLUE}catalog", f"{GLUE}database/steps"
    assert set(calls_of("cataloguer")) == {
        *(("glue:CreateDatabase", resource) for resource in (catalog, database)),
        *(("glue:CreateTable", resource) for resource in (catalog, database, f"{GLUE}table/steps/t")),
        *(("glue:GetTables", resource) for resource in (catalog, database, f"{GLUE}table/steps/*")),
    }


def test_a_job_needs_the_right_to_pass_its_role_to_glue(recording_aws, calls_of):
    client, role = recording_aws.client("glue", "operator"), f"arn:aws:iam::000000000000:role/{ROLE}"
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/no.py"}
    client.create_job(Name="job", Role=role, Command=command, GlueVersion="5.1")
    client.update_job(JobName="job", JobUpdate={"Role": role, "Command": command, "GlueVersion": "5.1"})

    assert calls_of("operator") == {
        ("glue:CreateJob", f"{GLUE}job/job"): {},
        ("glue:UpdateJob", f"{GLUE}job/job"): {},
        ("iam:PassRole", role): {"iam:PassedToService": "glue.amazonaws.com"},
    }


def test_glue_fetches_the_script_and_writes_the_log_of_a_run_with_the_key_of_the_jobs(recording_aws, calls_of):
    client = recording_aws.client("glue", "starter")
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/missing.py"}
    client.create_job(Name="missing", Role=ROLE, Command=command, GlueVersion="5.1")
    run = client.start_job_run(JobName="missing")["JobRunId"]
    while client.get_job_run(JobName="missing", RunId=run)["JobRun"]["JobRunState"] != "FAILED":
        pass

    made = calls_of("glue")
    group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws-glue/jobs/error"
    assert ("s3:GetObject", s3("missing.py")) in made
    assert ("logs:CreateLogStream", f"{group}:*") in made
    assert ("logs:PutLogEvents", f"{group}:log-stream:{run}") in made


@pytest.fixture(scope="module")
def table(recording_aws):
    athena = Athena(recording_aws, BUCKET, "asked")
    athena.query("create database asked")
    athena.query(f"create table t (n int) location 's3://{BUCKET}/t/' tblproperties ('table_type' = 'ICEBERG')")
    athena.query("insert into t values (1)")


def test_athena_asks_glue_and_s3_in_the_name_of_who_asks_athena(table, recording_aws, calls_of):
    assert Athena(recording_aws, BUCKET, "asked", "asker").query("select n from t") == [["1"]]

    made = calls_of("asker")
    workgroup = "arn:aws:athena:us-east-1:000000000000:workgroup/primary"
    assert {resource for action, resource in made if action.startswith("athena:")} == {workgroup}
    assert ("glue:GetTable", f"{GLUE}table/asked/t") in made
    assert {resource.rpartition(".")[2] for action, resource in made if action == "s3:GetObject"} >= {"parquet", "avro"}
    assert all(resource.startswith(s3("results/")) for action, resource in made if action == "s3:PutObject")


def test_each_caller_reads_for_itself_though_others_have_read_the_same(table, recording_aws, calls_of):
    for principal in ("early", "late"):
        Athena(recording_aws, BUCKET, "asked", principal).query("select n from t")

    read = [{call for call in calls_of(principal) if call[0] == "s3:GetObject"} for principal in ("early", "late")]
    assert read[0] == read[1]
