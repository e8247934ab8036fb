"""The local AWS's one port: who may ask, what answers, and what survives."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local_aws import service
from local_aws.settings import PROJECT, LocalAws, free_port
from tests.local_aws.glue_jobs import BUCKET


def ask(aws, headers: dict[str, str], method: str = "GET", path: str = "/", body: bytes = b"") -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    return response.status, dict(response.getheaders())


def listeners(pid: int) -> list[str]:
    """The addresses on which a process listens, as in ``/proc/net/tcp`` (hexadecimal)."""
    process = Path("/proc") / str(pid)
    sockets = {str(link.readlink()) for link in (process / "fd").iterdir()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in (process / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1])
    return found


def test_it_listens_on_one_loopback_port_and_nowhere_else(aws):
    pid = service._server(aws)["pid"]

    assert listeners(pid) == [f"0100007F:{aws.port:04X}"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "example.org"},
        {"Host": "127.0.0.1.example.org:80"},
        {"Host": ""},
    ],
)
def test_a_web_page_s_request_is_refused(aws, headers):
    aws.client("s3").put_object(Bucket=BUCKET, Key="kept", Body=b"")

    status, _ = ask(aws, headers, "DELETE", f"/{BUCKET}/kept")

    assert status in (400, 403)
    aws.client("s3").head_object(Bucket=BUCKET, Key="kept")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:4566", "[::1]:4566", f"{BUCKET}.localhost"])
def test_a_program_on_this_machine_is_answered_under_any_loopback_name(aws, host):
    assert ask(aws, {"Host": host}, path="/_local_aws/health")[0] == 200


def test_with_a_name_it_serves_other_machines_once_bucket_and_role_are_there(tmp_path):
    aws = LocalAws(free_port(), tmp_path / "aws")
    command = [sys.executable, "-m", "local_aws.server", f"--port={aws.port}", f"--state={aws.state}"]
    command += ["--name=local-aws", f"--bucket={BUCKET}", "--role=served"]
    for _ in range(2):  # the second time they are there already
        server = subprocess.Popen(command, cwd=PROJECT)
        try:
            while not service.is_running(aws):
                assert server.poll() is None
                time.sleep(0.1)
            assert aws.client("s3").list_buckets()["Buckets"][0]["Name"] == BUCKET
            assert aws.client("iam").get_role(RoleName="served")["Role"]["RoleName"] == "served"
            assert listeners(server.pid) == [f"00000000:{aws.port:04X}"]
            hosts = (f"local-aws:{aws.port}", f"127.0.0.1:{aws.port}", "example.org", "local-aws.example.org")
            assert [ask(aws, {"Host": host}, path="/_local_aws/health")[0] for host in hosts] == [200, 200, 400, 400]
            assert ask(aws, {"Host": "local-aws", "Origin": "http://local-aws"}, path=f"/{BUCKET}")[0] == 403
        finally:
            server.kill()
            server.wait()


def test_an_athena_action_that_is_not_ours_is_an_error_and_never_ministack_s_answer(aws):
    headers = {"X-Amz-Target": "AmazonAthena.ListEngineVersions", "Content-Type": "application/x-amz-json-1.1"}

    status, answer = ask(aws, headers, "POST", "/", json.dumps({}).encode())

    assert (status, answer["x-amzn-errortype"]) == (400, "UnknownOperationException")


def test_a_service_that_the_project_does_not_use_is_not_served(aws):
    with pytest.raises(ClientError):
        aws.client("lambda").list_functions()


def lake(aws) -> tuple:
    """What is in the lake: an object, a table's metadata location, a role."""
    table = aws.client("glue").get_table(DatabaseName="survivors", Name="steps")["Table"]
    body = aws.client("s3").get_object(Bucket=BUCKET, Key="landing/a b.json")["Body"].read()
    role = aws.client("iam").get_role(RoleName="survivor")["Role"]["RoleName"]
    return body, table["Parameters"]["metadata_location"], role, table.get("VersionId")


def fill(aws) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="landing/a b.json", Body=b"{}")
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "survivors"})
    glue.create_table(DatabaseName="survivors", TableInput={"Name": "steps", "Parameters": {"metadata_location": "v1"}})
    version = glue.get_table(DatabaseName="survivors", Name="steps")["Table"]["VersionId"]
    commit = {"Name": "steps", "Parameters": {"metadata_location": "v2"}}
    glue.update_table(DatabaseName="survivors", TableInput=commit, VersionId=version, SkipArchive=True)
    aws.client("iam").create_role(RoleName="survivor", AssumeRolePolicyDocument="{}")


def test_the_lake_survives_a_kill_and_a_graceful_restart(own_aws):
    fill(own_aws)
    before = lake(own_aws)
    assert before[:3] == (b"{}", "v2", "survivor")

    os.kill(service._server(own_aws)["pid"], signal.SIGKILL)
    service.start(own_aws)
    assert lake(own_aws) == before

    service.stop(own_aws)
    service.start(own_aws)
    assert lake(own_aws) == before
    assert [bucket["Name"] for bucket in own_aws.client("s3").list_buckets()["Buckets"]] == [BUCKET]
