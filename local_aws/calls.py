"""Who called what, on what: the calls to a local AWS in the words of IAM, for a test of policies.

The access key says who: give each principal one of its own. Athena calls Glue and S3 with the key of the query's
caller, and Glue's jobs with ``GLUE_KEY``.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Message, Receive

from local_aws.settings import ACCESS_KEY, ACCOUNT, REGION

#: The access key of the request that is being answered.
caller: ContextVar[str] = ContextVar("caller", default=ACCESS_KEY)

Json = dict[str, Any]


class Call(NamedTuple):
    """What a policy has to allow for a request to succeed."""

    principal: str
    action: str
    resource: str
    #: {condition key: value}
    context: dict[str, str]


def read_calls(file: Path) -> list[Call]:
    """The calls that a server has written to ``LOCAL_AWS_CALLS``, in their order, each once."""
    return [Call(*json.loads(line)) for line in dict.fromkeys(file.read_text().splitlines())]


def access_key(request: Request) -> str:
    """The access key that a request is signed with; "" if it is not signed."""
    found = re.search(r"Credential=([^/]+)/", request.headers.get("authorization", ""))
    return found[1] if found else ""


class Record:
    """Writes the calls to a file, for ``read_calls``. ``workgroup_of`` gives the workgroup of an Athena query."""

    def __init__(self, file: Path, workgroup_of: Callable[[str], str | None]) -> None:
        self._file = file.open("a", buffering=1)
        self._workgroup_of = workgroup_of

    async def add(self, request: Request, receive: Receive) -> Receive:
        """Writes what a request needs; gives what the request is received by from now on."""
        service, _, action = request.headers.get("x-amz-target", "").partition(".")
        body = None
        # Not the content of objects, which may be large.
        if service or "delete" in request.query_params:
            body = await request.body()
        given = json.loads(body or b"{}") if service else {}
        if service == "AWSGlue":
            needed = _glue(action, given)
        elif service == "AmazonAthena":
            needed = _athena(action, given, self._workgroup_of)
        elif service.startswith("Logs"):
            needed = _logs(action, given)
        elif _SERVICE.search(request.headers.get("authorization", "/s3/aws4_request")):
            needed = _s3(request, body or b"")
        else:
            needed = iter(())  # IAM, STS and CloudFormation are for administrators
        principal = access_key(request)
        self._file.writelines(json.dumps((principal, *call)) + "\n" for call in needed)
        return receive if body is None else _again(body, receive)


_SERVICE = re.compile(r"/s3/aws4_request|Credential=[^/]*/$")
Needed = Iterator[tuple[str, str, dict[str, str]]]


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives what was received already, and then what comes."""
    messages: list[Message] = [{"type": "http.request", "body": body}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _s3(request: Request, body: bytes) -> Needed:
    from ministack.core import iam_actions

    query = parse_qs(request.scope["query_string"].decode(), keep_blank_values=True)
    method, path, headers = request.method, request.scope["path"], dict(request.headers)
    action = iam_actions.extract_iam_action("s3", method, path, headers, body, query)
    context = {"s3:prefix": query.get("prefix", [""])[0]} if action == "s3:ListBucket" and method == "GET" else {}
    bucket, _, key = path.removeprefix("/").partition("/")
    resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    if body:  # DeleteObjects: a permission on the first; the others come below
        resource = iam_actions.extract_resource_arn("s3", method, path, headers, body, query, REGION, ACCOUNT)
    yield action or f"s3:{method}", resource, context
    for also, resource in iam_actions.s3_additional_checks(method, path, headers, body, query):
        yield also, resource, {}


def _glue(action: str, request: Json) -> Needed:
    if "Job" in action:
        names = request.get("JobNames") or [request.get("JobName") or request.get("Name") or "*"]
        resources = [f"job/{name}" for name in names]
    else:
        of_database = request["Name"] if "Database" in action and "Name" in request else None
        database = request.get("DatabaseName") or of_database or request.get("DatabaseInput", {}).get("Name")
        table = request.get("TableName") or request.get("Name") or request.get("TableInput", {}).get("Name") or "*"
        # A permission on a table or database is needed on what it lies in, too.
        resources = ["catalog", f"database/{database or '*'}"]
        resources += [] if "Database" in action else [f"table/{database}/{table}"]
    for resource in resources:
        yield f"glue:{action}", _arn("glue", resource), {}
    if role := (request.get("JobUpdate") or request).get("Role"):
        yield "iam:PassRole", role, {"iam:PassedToService": "glue.amazonaws.com"}


def _athena(action: str, request: Json, workgroup_of: Callable[[str], str | None]) -> Needed:
    executions = request.get("QueryExecutionIds") or [request.get("QueryExecutionId")]
    if executions != [None]:
        workgroups = {workgroup_of(execution) or "primary" for execution in executions}
    else:
        workgroups = {request.get("WorkGroup") or request.get("Name") or "primary"}
    is_catalog = "CatalogName" in request or "Catalog" in action
    for resource in ["datacatalog/AwsDataCatalog"] if is_catalog else sorted(f"workgroup/{w}" for w in workgroups):
        yield f"athena:{action}", _arn("athena", resource), {}


def _logs(action: str, request: Json) -> Needed:
    group = request.get("logGroupName", "*")
    part = f"log-stream:{request['logStreamName']}" if action in ("PutLogEvents", "GetLogEvents") else "*"
    yield f"logs:{action}", _arn("logs", f"log-group:{group}:{part}"), {}


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
