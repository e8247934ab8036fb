"""MiniStack behind the gateway, and what it lacks: changes that survive a kill, and logs that are read page by page."""

import asyncio
import importlib
import json
import os
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_aws.json_api import Json, failure, response
from local_aws.settings import REGION, LocalAws


class Backend:
    """MiniStack's ASGI application. Create it once in a process, before anything else imports ``ministack``."""

    def __init__(self, local_aws: LocalAws) -> None:
        _configure(local_aws)
        from ministack import app
        from ministack.core import persistence
        from ministack.services import athena, s3

        #: Passes a request on as it is.
        self.app: ASGIApp = app.app
        self._directory = local_aws.state / "ministack"
        self._persistence = persistence
        self._athena = athena
        self._changes = asyncio.Lock()
        s3._persist_object = _persist_or_fail(s3._persist_object)

    def workgroup(self, name: str) -> Json | None:
        """The configuration of an Athena workgroup; None if there is none of this name."""
        self._athena._ensure_default_workgroup()
        found = self._athena._workgroups.get(name)
        return found["Configuration"] if found else None

    async def change(self, scope: Scope, receive: Receive, send: Send, *services: str) -> None:
        """A request that may change these services' state: answered only when the new state is on the disk.

        MiniStack itself saves at a graceful stop alone, and an Iceberg commit is a change of the catalog: with the
        catalog the table's content would be lost.
        """
        async with self._changes:
            messages = await self._messages(scope, receive)
            saved = [await asyncio.to_thread(self._save, service) for service in services]
        if not all(saved):
            reason = f"The local AWS cannot save its state in {self._directory.parent}: is the disk full?"
            return await failure(500, "InternalServiceException", reason)(scope, receive, send)
        for message in messages:
            await send(message)

    async def filter_log_events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gives the page a ``nextToken``, from which a caller reads on later without getting a line twice.

        MiniStack gives and knows none, and ``GlueJobOperator(verbose=True)`` then prints the whole log at every poll.
        """
        request = await Request(scope, receive).json()
        since, _, seen = request.get("nextToken", "").partition(":")
        if since:
            request |= {"startTime": int(since), "limit": request.get("limit", 10_000) + int(seen)}
        body = json.dumps(request).encode()

        async def receive_request() -> Message:
            return {"type": "http.request", "body": body}

        changed = {**scope, "headers": list(scope["headers"])}
        MutableHeaders(scope=changed)["content-length"] = str(len(body))
        start, *rest = await self._messages(changed, receive_request)
        content = json.loads(b"".join(message.get("body", b"") for message in rest))
        if events := content.get("events"):
            last = events[-1]["timestamp"]
            content["events"] = events[int(seen or 0) :]
            if content["events"]:
                content["nextToken"] = f"{last}:{sum(event['timestamp'] == last for event in events)}"
        await response(start["status"], content)(scope, receive, send)

    async def _messages(self, scope: Scope, receive: Receive) -> list[Message]:
        """MiniStack's answer, not sent yet."""
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, hold)
        return messages

    def _save(self, service: str) -> bool:
        """Whether the service's state is on the disk now; if not, the service goes back to the state that is."""
        file = self._directory / f"{service}.json"

        def version() -> int | None:
            # A new file takes the old one's place; MiniStack only logs that it could not be written.
            return file.stat().st_ino if file.exists() else None

        before, module = version(), importlib.import_module(f"ministack.services.{service}")
        self._persistence.save_state(service, module.get_state())
        if version() != before:
            return True
        module.load_persisted_state(self._persistence.load_state(service) or {})
        return False


def _configure(local_aws: LocalAws) -> None:
    """MiniStack takes its settings from the environment when it is imported."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(local_aws.client_environment())
    os.environ.update(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(local_aws.port),
        SERVICES="athena,cloudformation,glue,iam,logs,s3,sts",
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


def _persist_or_fail(persist: Callable[[str, str, Any], None]) -> Callable[[str, str, Any], None]:
    """MiniStack's S3 writes an object to the disk with ``persist``, and only logs that it could not; with this its
    answer is then an error."""

    def checked(bucket: str, key: str, stored: Any) -> None:
        persist(bucket, key, stored)
        # The content is held in memory until it is on the disk.
        if isinstance(stored, dict) and stored.get("body") is not None:
            raise OSError(f"{bucket}/{key} cannot be written: is the disk full?")

    return checked
