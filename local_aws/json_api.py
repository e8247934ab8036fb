"""AWS's JSON protocol, once for all APIs served beside MiniStack: dispatch by action, errors, responses."""

import json
import logging
import uuid
from collections.abc import Collection
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Json = dict[str, Any]

logger = logging.getLogger("local_aws")


class ApiError(Exception):
    """An error in AWS's words: boto3 raises it at the caller as ``ClientError`` with this code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class JsonApi(Protocol):
    """One AWS service of the JSON protocol, or a part of one (``X-Amz-Target: <prefix>.<action>``)."""

    #: The actions that it answers.
    @property
    def actions(self) -> Collection[str]: ...

    async def handle(self, action: str, request: Json) -> Json:
        """Answers one request, or raises ``ApiError``. Never blocks the event loop."""

    async def close(self) -> None:
        """Ends what it started (processes, threads), and keeps what must outlive the server."""


async def answer(api: JsonApi, action: str, request: Request) -> Response:
    """The response of ``api`` to one request."""
    try:
        if action not in api.actions:
            raise ApiError("UnknownOperationException", f"The local AWS does not support {action}.")
        try:
            content = json.loads(await request.body() or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", f"The request is not JSON: {error}") from error
        return response(200, await api.handle(action, content))
    except ApiError as error:
        return failure(error.status, error.code, error.message)
    except Exception as error:
        logger.exception("%s failed", action)
        return failure(500, "InternalServiceException", f"{type(error).__name__}: {error}")


def failure(status: int, code: str, message: str) -> Response:
    """An error response."""
    return response(status, {"__type": code, "message": message, "Message": message}, {"x-amzn-errortype": code})


def response(status: int, content: Json, headers: dict[str, str] | None = None) -> Response:
    """A response in AWS's form."""
    headers = {"x-amzn-requestid": str(uuid.uuid4()), **(headers or {})}
    return JSONResponse(content, status, headers, media_type="application/x-amz-json-1.1")
