"""Reads S3 objects in the query's process: each as one stream, unpacked, a few at once."""

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from local_aws.athena.cache import Cache
from local_aws.athena.errors import NotSupported

_COMPRESSIONS = (".bz2", ".snappy", ".lz4", ".zst", ".deflate")


class Readable(Protocol):
    """What bytes come from: a file, or an answer of S3."""

    def read(self, size: int, /) -> bytes: ...


#: Makes a local file of an object: takes its bytes, the file and the object's URI.
Copy = Callable[[Readable, Path, str], None]


def fetch(
    objects: list[dict[str, Any]], job: dict[str, Any], directory: Path, copy: Copy, kind: str = "Hive"
) -> list[Path]:
    """A local file of each S3 object, as ``copy`` makes it, unless a query before has made the same of the same object.

    ``objects`` have a URI, and may have an ETag (else S3 is asked for it) and a name for the file.

    An object that cannot be read fails the query. Not by DuckDB, whose many ranged requests take 5 to 30 times as long.
    The local S3 checks no signature; the access key only says who reads.
    """
    directory.mkdir(exist_ok=True)
    cache = Cache(Path(job["cache"]), job["cache_bytes"])
    kept = threading.local()

    def fetch_one(number: int) -> Path:
        uri = objects[number]["uri"]
        if uri.endswith(_COMPRESSIONS):
            raise NotSupported(f"the compression of {uri}")
        etag = objects[number].get("etag") or request("HEAD", uri).headers["ETag"]
        file = directory / str(objects[number].get("name", number))
        file.parent.mkdir(parents=True, exist_ok=True)
        cache.link(repr((copy.__qualname__, uri, etag, job["cached_for"])), file, lambda part: make(part, uri, etag))
        return file

    def request(method: str, uri: str) -> HTTPResponse:
        if not hasattr(kept, "connection"):
            kept.connection = HTTPConnection(job["endpoint"].removeprefix("http://"))
        signature = {"Authorization": f"AWS4-HMAC-SHA256 Credential={job['key']}/"}
        kept.connection.request(method, quote("/" + uri.removeprefix("s3://")), headers=signature)
        response: HTTPResponse = kept.connection.getresponse()
        if response.status != 200:
            what = f"{kind.upper()}_CANNOT_OPEN_SPLIT: Error opening {kind} split {uri}"
            raise ValueError(f"{what}: HTTP status {response.status}")
        if method == "HEAD":
            response.read()
        return response

    def make(file: Path, uri: str, etag: str) -> bool:
        response = request("GET", uri)
        try:
            copy(gzip.GzipFile(fileobj=response) if uri.endswith(".gz") else response, file, uri)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"HIVE_CURSOR_ERROR: Failed to read file at {uri}: {error}") from None
        response.read()
        return bool(response.headers["ETag"] == etag)  # else it has changed since it was listed

    try:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(fetch_one, range(len(objects))))
    finally:
        cache.evict()


def unix_lines(source: Readable, size: int = 2**20) -> Iterator[bytes]:
    """Blocks of text whose lines end in LF, CR or both, with LF in the place of each."""
    held = b""
    while chunk := source.read(size):
        chunk = held + chunk
        held = chunk[-1:] if chunk.endswith(b"\r") else b""
        chunk = chunk.removesuffix(b"\r")
        yield chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
    if held:
        yield b"\n"
