"""A reverse proxy between a Glue job and the local AWS: it sees each request, and can fail or hold it."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

#: Instead of a status: the connection is closed without an answer.
CUT = 0


@dataclass(frozen=True)
class Request:
    """What a job asks of AWS."""

    method: str
    path: str
    action: str  # of Glue; empty for S3
    body: bytes

    @property
    def table(self) -> str:
        """The table that an UpdateTable, which is the commit of Iceberg, changes."""
        return json.loads(self.body)["TableInput"]["Name"] if self.action == "UpdateTable" else ""

    @property
    def metadata_location(self) -> str:
        """The content to which a commit points its table."""
        return json.loads(self.body)["TableInput"]["Parameters"]["metadata_location"]


#: Sees a request; gives the status with which it fails, or CUT, or None if it does not.
Fault = Callable[[Request], int | None]


def no_fault(request: Request) -> None:
    """Lets every request through."""


class Proxy(ThreadingHTTPServer):
    """Serves on a free loopback port until it is closed."""

    daemon_threads = True

    def __init__(self, upstream_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream_port = upstream_port
        self.recover()
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def recover(self) -> None:
        """No fault any more."""
        self.before: Fault = no_fault  # AWS has got the request
        self.after: Fault = no_fault  # AWS has done it, and the job knows

    def handle_error(self, request: object, client_address: object) -> None:
        """A job that is killed leaves its connections broken."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer, which is sent in two parts, waits 40 ms

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = self.headers.get("X-Amz-Target", "").partition(".")[2]
        request = Request(self.command, self.path, action, body)
        if (status := self.server.before(request)) is not None:
            return self._fail(status)
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):  # the local AWS is down
            return self._fail(CUT)
        finally:
            upstream.close()
        if (status := self.server.after(request)) is not None:
            return self._fail(status)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)
        return None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _fail(self, status: int) -> None:
        if status == CUT:
            self.close_connection = True
            return
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""
