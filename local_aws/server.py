"""The local AWS: MiniStack (S3, Glue Data Catalog, IAM, STS, Logs) with our Glue jobs and our Athena in front of it.

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
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from local_aws.api import ApiError, JsonApi
from local_aws.settings import REGION, LocalAws

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEALTH = "/_local_aws/health"
#: The file that a server holds locked for as long as it lives; it says which process that is.
LOCK = "server.lock"

logger = logging.getLogger("local_aws")


def use_ministack(local_aws: LocalAws) -> None:
    """Says in the environment how MiniStack is to run. Must come before MiniStack is imported."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(local_aws.client_environment())
    os.environ.update(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(local_aws.port),
        SERVICES="s3,glue,iam,sts,logs",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        DOCKER_HOST="unix:///nonexistent",
        MINISTACK_REGION=REGION,
        PERSIST_STATE="1",
        STATE_DIR=str(local_aws.state / "ministack"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(local_aws.state / "s3"),
        LOG_LEVEL="WARNING",
    )


class Gateway:
    """The ASGI application: hands each request to the API that answers it."""

    def __init__(self, local_aws: LocalAws, name: str | None = None) -> None:
        from ministack import app
        from ministack.core import persistence
        from ministack.services import glue, iam, s3

        from local_aws.athena import AthenaApi
        from local_aws.glue_jobs import GlueJobs

        self._athena: JsonApi = AthenaApi(local_aws)
        self._local_aws = local_aws
        self._glue_jobs: JsonApi = GlueJobs(local_aws)
        self._ministack = app.app
        self._persistence = persistence
        self._services = {"glue": glue, "iam": iam}
        s3._persist_object = persist_or_fail(s3._persist_object)
        self._changes = asyncio.Lock()
        self._name = name
        #: Whether all is there that clients may expect.
        self.ready = False

    async def close(self) -> None:
        """Ends the runs and queries; MiniStack saves its state itself when it is told to shut down."""
        self.ready = False
        await self._glue_jobs.close()
        await self._athena.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._ministack(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := foreign(headers, self._name):
            return await respond(send, 403, {"__type": "AccessDeniedException", "message": refusal})
        if scope["path"] == HEALTH:
            health = {"pid": os.getpid(), "port": self._local_aws.port, "state": str(self._local_aws.state)}
            return await respond(send, 200 if self.ready else 503, health)
        service, _, action = headers.get("x-amz-target", "").partition(".")
        if service == "AmazonAthena":
            return await answer(self._athena, action, receive, send)
        if service == "AWSGlue" and action in self._glue_jobs.actions:
            return await answer(self._glue_jobs, action, receive, send)
        if service == "AWSGlue" and not action.startswith(("Get", "List", "Search", "BatchGet")):
            return await self._change("glue", scope, receive, send)
        if (service, action) == ("Logs_20140328", "FilterLogEvents"):
            return await self._filter_log_events(scope, receive, send)
        if "/iam/aws4_request" in headers.get("authorization", ""):
            return await self._change("iam", scope, receive, send)
        return await self._ministack(scope, receive, send)

    async def _change(self, service: str, scope: Message, receive: Receive, send: Send) -> None:
        """A request that may change the service's state: answered only when the new state is on the disk.

        MiniStack itself saves at a graceful stop alone, and an Iceberg commit is a change of the catalog: with the
        catalog the table's content would be lost.
        """
        answered: list[Message] = []

        async def hold(message: Message) -> None:
            answered.append(message)

        async with self._changes:
            await self._ministack(scope, receive, hold)
            saved = await asyncio.to_thread(self._save, service)
        if not saved:
            message = f"The local AWS cannot save its state in {self._local_aws.state}: is the disk full?"
            return await respond(send, 500, {"__type": "InternalServiceException", "message": message})
        for message in answered:
            await send(message)

    def _save(self, service: str) -> bool:
        """Whether the service's state is on the disk now; if not, it is again what is there."""
        file = self._local_aws.state / "ministack" / f"{service}.json"

        def version() -> int | None:
            # A new file takes the old one's place; MiniStack only logs that it could not be written.
            return file.stat().st_ino if file.exists() else None

        before, module = version(), self._services[service]
        self._persistence.save_state(service, module.get_state())
        if version() != before:
            return True
        module.load_persisted_state(self._persistence.load_state(service) or {})
        return False

    async def _filter_log_events(self, scope: Message, receive: Receive, send: Send) -> None:
        """Gives the page a ``nextToken``: from it a caller reads on later, and gets nothing twice.

        MiniStack gives and knows none, and ``GlueJobOperator(verbose=True)`` then prints the whole log at every poll.
        """
        request = json.loads(await read(receive))
        since, _, seen = request.get("nextToken", "").partition(":")
        if since:
            request |= {"startTime": int(since), "limit": request.get("limit", 10_000) + int(seen)}
        body = json.dumps(request).encode()
        answered: list[Message] = []

        async def receive_request() -> Message:
            return {"type": "http.request", "body": body}

        async def hold(message: Message) -> None:
            answered.append(message)

        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._ministack({**scope, "headers": headers}, receive_request, hold)
        content = json.loads(b"".join(message.get("body", b"") for message in answered))
        if found := content.get("events"):
            last = found[-1]["timestamp"]
            content["events"] = found[int(seen or 0) :]
            if content["events"]:
                content["nextToken"] = f"{last}:{sum(event['timestamp'] == last for event in found)}"
        await respond(send, answered[0]["status"], content)


def persist_or_fail(persist: Callable[[str, str, Any], None]) -> Callable[[str, str, Any], None]:
    """MiniStack's S3 writes an object to the disk with ``persist``, and only logs that it could not; with this its
    answer is then an error."""

    def checked(bucket: str, key: str, stored: Any) -> None:
        persist(bucket, key, stored)
        # The content is held in memory until it is on the disk.
        if isinstance(stored, dict) and stored.get("body") is not None:
            raise OSError(f"{bucket}/{key} cannot be written: is the disk full?")

    return checked


async def read(receive: Receive) -> bytes:
    """The body of a request."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def foreign(headers: dict[str, str], served: str | None = None) -> str | None:
    """Why a request does not come from a program on this machine, or None: no web page may drive the local AWS.

    served: a name by which programs on other machines may reach it.
    """
    if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
        return "The local AWS does not answer web pages."
    host = headers.get("host", "")
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.rpartition(":")[0] or host
    if name in ("127.0.0.1", "localhost", "[::1]", served) or name.endswith(".localhost"):
        return None
    return f"The local AWS is reached as {served or '127.0.0.1'} or localhost, not as {host!r}."


async def answer(api: JsonApi, action: str, receive: Receive, send: Send) -> None:
    """Answers one request of the JSON protocol through ``api``."""
    body = await read(receive)
    try:
        if action not in api.actions:
            raise ApiError("UnknownOperationException", f"The local AWS does not support {action}.")
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", f"The request is not JSON: {error}") from error
        status, content = 200, await api.handle(action, request)
    except ApiError as error:
        status, content = error.status, {"__type": error.code, "message": error.message, "Message": error.message}
    except Exception as error:
        logger.exception("%s failed", action)
        status, content = 500, {"__type": "InternalServiceException", "message": f"{type(error).__name__}: {error}"}
    await respond(send, status, content)


async def respond(send: Send, status: int, content: dict) -> None:
    """Sends one JSON response in AWS's form."""
    headers = [(b"content-type", b"application/x-amz-json-1.1"), (b"x-amzn-requestid", str(uuid.uuid4()).encode())]
    if "__type" in content:
        headers.append((b"x-amzn-errortype", content["__type"].encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def serve(local_aws: LocalAws, name: str | None, bucket: str | None, role: str | None) -> None:
    """Serves until the process is told to end; then ends the runs, and saves."""
    import hypercorn.asyncio
    from hypercorn.config import Config

    from local_aws.service import furnish

    gateway = Gateway(local_aws, name)
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)

    async def until_told() -> None:
        # Hypercorn calls this when it serves.
        await asyncio.to_thread(furnish, local_aws, bucket, role)
        gateway.ready = True
        await told.wait()
        # Still serving: the runs' last lines go to the logs.
        await gateway.close()

    config = Config()
    config.bind = [f"{'0.0.0.0' if name else '127.0.0.1'}:{local_aws.port}"]
    config.errorlog = logging.getLogger("hypercorn")
    config.graceful_timeout = 2
    config.shutdown_timeout = 20
    await hypercorn.asyncio.serve(gateway, config, shutdown_trigger=until_told)


def main() -> None:
    """Serves one local AWS; a state directory serves one process at a time."""
    parser = argparse.ArgumentParser(description="S3, Glue and Athena on one machine, on one loopback port.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="the directory of everything that is kept")
    parser.add_argument("--seconds-per-minute", type=float, default=60.0, help="of a Glue job's timeout, for tests")
    parser.add_argument("--name", help="serve other machines too, which reach this one by this name; it trusts them")
    parser.add_argument("--bucket", help="a bucket to create before it is healthy")
    parser.add_argument("--role", help="a role for Glue to create before it is healthy")
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
    use_ministack(local_aws)
    asyncio.run(serve(local_aws, arguments.name, arguments.bucket, arguments.role))


if __name__ == "__main__":
    main()
