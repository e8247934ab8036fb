"""What the APIs served beside MiniStack have in common: how one is called, and how it refuses."""

from typing import Protocol


class ApiError(Exception):
    """An error in AWS's words: boto3 raises it at the caller as ``ClientError`` with this code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class JsonApi(Protocol):
    """One AWS service of the JSON protocol, or a part of one (``X-Amz-Target: <prefix>.<action>``)."""

    #: The actions it answers; every other action of the service goes to MiniStack.
    actions: frozenset[str]

    async def handle(self, action: str, request: dict) -> dict:
        """Answers one request, or raises ``ApiError``. Never blocks the event loop."""

    async def close(self) -> None:
        """Ends what it started (processes, threads), and keeps what must outlive the server."""
