"""Serves a local AWS on one port: MiniStack (S3, Data Catalog, IAM, STS, Logs), with Glue jobs and Athena in front.

``python -m local_aws.server --port P --state DIR`` serves on 127.0.0.1 until SIGTERM or SIGINT; with ``--name NAME``
also other machines, which reach this one by that name.
"""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import signal
import sys
from pathlib import Path

import hypercorn.asyncio
from hypercorn.config import Config
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local_aws.athena import AthenaApi
from local_aws.backend import Backend
from local_aws.calls import Record, access_key, caller
from local_aws.glue.api import GlueJobsApi
from local_aws.json_api import JsonApi, answer, failure, response
from local_aws.resources import Stack, deploy, ensure_bucket_and_role
from local_aws.settings import ACCESS_KEY, ACCOUNT, HEALTH, LOCK, LocalAws, calls_file

#: S3's refusal where a bucket belongs to another account than the client expects; MiniStack does not look.
OWNER_HEADERS = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
OTHER_OWNER = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

LOOPBACK = ("127.0.0.1", "localhost", "*.localhost", "[::1]")


class Gateway:
    """The ASGI application: hands each request to the API that answers it."""

    def __init__(self, local_aws: LocalAws) -> None:
        self._local_aws = local_aws
        self._backend = Backend(local_aws)
        self._athena = AthenaApi(local_aws, self._backend.workgroup)
        self._glue_jobs: JsonApi = GlueJobsApi(local_aws)
        file = calls_file()
        self._record = Record(file, self._athena.workgroup_of) if file else None
        #: Whether everything that clients may expect is there.
        self.ready = False

    async def close(self) -> None:
        """Ends the runs and queries; MiniStack saves its state itself when it is told to shut down."""
        self.ready = False
        await self._glue_jobs.close()
        await self._athena.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._backend.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        request = Request(scope, receive)
        headers = request.headers
        service, _, action = headers.get("x-amz-target", "").partition(".")
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            refused = failure(403, "AccessDeniedException", "The local AWS does not answer web pages.")
            return await refused(scope, receive, send)
        if scope["path"] == HEALTH:
            health = {"pid": os.getpid(), "port": self._local_aws.port, "state": str(self._local_aws.state)}
            return await response(200 if self.ready else 503, health)(scope, receive, send)
        if any(headers.get(name, ACCOUNT) != ACCOUNT for name in OWNER_HEADERS):
            return await Response(OTHER_OWNER, 403, media_type="application/xml")(scope, receive, send)
        caller.set(access_key(request) or ACCESS_KEY)
        if self._record:
            receive = await self._record.add(request, receive)
        if service == "AmazonAthena" and action.endswith(("WorkGroup", "WorkGroups")):
            return await self._backend.change(scope, receive, send, "athena")
        if service == "AmazonAthena":
            return await (await answer(self._athena, action, request))(scope, receive, send)
        if service == "AWSGlue" and action in self._glue_jobs.actions:
            return await (await answer(self._glue_jobs, action, request))(scope, receive, send)
        if service == "AWSGlue" and not action.startswith(("Get", "List", "Search", "BatchGet")):
            return await self._backend.change(scope, receive, send, "glue")
        if (service, action) == ("Logs_20140328", "FilterLogEvents"):
            return await self._backend.filter_log_events(scope, receive, send)
        authorization = headers.get("authorization", "")
        if "/iam/aws4_request" in authorization:
            return await self._backend.change(scope, receive, send, "iam")
        if "/cloudformation/aws4_request" in authorization:
            # It works on after its answer: the request that sees its end saves what it has made.
            return await self._backend.change(scope, receive, send, "s3", "glue", "iam", "athena", "cloudformation")
        return await self._backend.app(scope, receive, send)


async def serve(
    local_aws: LocalAws, name: str | None, bucket: str | None, role: str | None, stack: Stack | None
) -> None:
    """Serves until the process is asked to end; then ends the runs, and saves."""
    gateway = Gateway(local_aws)
    stop_requested = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_requested.set)

    async def until_stopped() -> None:
        # Hypercorn calls this once it serves.
        await asyncio.to_thread(ensure_bucket_and_role, local_aws, bucket, role)
        if stack:
            await asyncio.to_thread(deploy, local_aws, stack)
        gateway.ready = True
        await stop_requested.wait()
        # Still serving: the runs' last lines go to the logs.
        await gateway.close()

    # A web page may not reach it under a name of its own choice (DNS rebinding).
    hosts = [*LOOPBACK, *([name] if name else [])]
    app = TrustedHostMiddleware(gateway, hosts, www_redirect=False)
    config = Config()
    config.bind = [f"{'0.0.0.0' if name else '127.0.0.1'}:{local_aws.port}"]
    config.errorlog = logging.getLogger("hypercorn")
    config.graceful_timeout = 2
    config.shutdown_timeout = 20
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=until_stopped)  # type: ignore[arg-type]


def main() -> None:
    """Serves one local AWS; a state directory serves one process at a time."""
    parser = argparse.ArgumentParser(description="S3, Glue and Athena on one machine, on one loopback port.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="the directory of everything that is kept")
    parser.add_argument("--seconds-per-minute", type=float, default=60.0, help="of Glue's timeouts, for tests")
    parser.add_argument("--name", help="serve other machines too, which reach this one by this name; it trusts them")
    parser.add_argument("--bucket", help="a bucket to create before it is healthy")
    parser.add_argument("--role", help="a role for Glue to create before it is healthy")
    parser.add_argument("--template", type=Path, help="a CloudFormation template to deploy before it is healthy")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the template")
    arguments = parser.parse_args()
    local_aws = LocalAws(arguments.port, arguments.state.resolve(), arguments.seconds_per_minute)
    local_aws.state.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Never closed, so held until the process is gone, however it ends: two servers on one state would destroy it.
    lock = os.open(local_aws.state / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another local AWS uses {local_aws.state}.")
    os.truncate(lock, 0)
    os.write(lock, json.dumps({"pid": os.getpid(), "port": local_aws.port}).encode())
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameter)
    stack = Stack(arguments.template, parameters) if arguments.template else None
    asyncio.run(serve(local_aws, arguments.name, arguments.bucket, arguments.role, stack))


if __name__ == "__main__":
    main()
