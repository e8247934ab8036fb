"""Reads S3 objects in the query's process: each as one stream, unpacked, a few at once."""

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
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


def fetch(objects: list[dict[str, Any]], job: dict[str, Any], directory: Path, copy: Copy) -> list[Path]:
    """A local file of each S3 object, as ``copy`` makes it, unless a query before has made the same of the same object.

    An object that cannot be read fails the query. Not by DuckDB, whose many ranged requests take 5 to 30 times as long.
    The local S3 asks for no signature.
    """
    directory.mkdir()
    cache = Cache(Path(job["cache"]), job["cache_bytes"])
    kept = threading.local()

    def fetch_one(number: int) -> Path:
        uri, etag, size = (objects[number][key] for key in ("uri", "etag", "size"))
        if uri.endswith(_COMPRESSIONS):
            raise NotSupported(f"the compression of {uri}")
        file = directory / str(number)
        cache.link(repr((copy.__qualname__, uri, etag, size)), file, lambda part: make(part, uri, etag))
        return file

    def make(file: Path, uri: str, etag: str) -> bool:
        if not hasattr(kept, "connection"):
            kept.connection = HTTPConnection(job["endpoint"].removeprefix("http://"))
        kept.connection.request("GET", quote("/" + uri.removeprefix("s3://")))
        response = kept.connection.getresponse()
        if response.status != 200:
            raise ValueError(f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {uri}: HTTP status {response.status}")
        try:
            copy(gzip.GzipFile(fileobj=response) if uri.endswith(".gz") else response, file, uri)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"HIVE_CURSOR_ERROR: Failed to read file at {uri}: {error}") from None
        response.read()
        return bool(response.headers["ETag"] == etag)  # else it has changed since it was listed

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(fetch_one, range(len(objects))))


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
