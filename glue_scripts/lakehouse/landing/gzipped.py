"""What can be read of a gzip file, damaged or not."""

import zlib
from collections.abc import Iterator
from typing import Any

_DEFLATED_BYTES = 64 * 1024  # of a file at a time


class DamagedFileError(Exception):
    """The file is cut off or damaged there."""


def inflated(content: bytes) -> Iterator[bytes]:
    """The decompressed bytes of a gzip file, in parts; ``DamagedFileError`` comes after the last byte before damage."""
    at = 0
    while at < len(content):
        member = zlib.decompressobj(wbits=31)
        size = _DEFLATED_BYTES
        while not member.eof:
            given = content[at : at + size]
            if not given:
                raise DamagedFileError
            before = member.copy()
            try:
                yield member.decompress(given)
                at += len(given)
            except zlib.error:
                # A call that fails keeps what it had found to itself: so closer and closer to the damage.
                member = before
                if size == 1:
                    yield from _last_bytes(member, given)
                    raise DamagedFileError from None
                size //= 2
        at -= len(member.unused_data)
        while content.startswith(b"\0", at):  # padding
            at += 1


def _last_bytes(member: Any, given: bytes) -> Iterator[bytes]:
    """What one more byte of a gzip gives before it turns out to be wrong."""
    try:
        while found := member.decompress(given, 1):
            yield found
            given = member.unconsumed_tail
    except zlib.error:
        return
