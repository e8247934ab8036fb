"""``make rejected``: the text of a rejected record, which landing_quarantine gives by file and position only."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from dev.settings import CommandError, lakehouse_settings, local_aws
from stedi.tables import LANDING_TABLES

#: An object may take this many lines.
MOST_LINES = 100


def rejected_lines(file: str, position: str, source: str | None) -> bytes:
    """The line of a landing file where a record begins, and the lines over which a whole object goes on.

    file: the path below the source's folder; position: the number of the line, from 1. Raises ``CommandError``.
    """
    if not position.isdecimal() or (number := int(position)) < 1:
        raise CommandError(f"POSITION is {position!r}; it must be the number of a line, from 1")
    s3, bucket = local_aws().client("s3"), lakehouse_settings().bucket
    key = f"{_source(s3, bucket, file, source)}/{file}"
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    content = gzip.GzipFile(fileobj=body) if file.endswith(".gz") else body
    lines = _lines(content)
    before = sum(1 for _ in islice(lines, number - 1))
    if not (record := _whole_object(islice(lines, MOST_LINES))):
        raise CommandError(f"s3://{bucket}/{key} has {before} line{'' if before == 1 else 's'}; POSITION is {number}")
    return record if record.endswith(b"\n") else record + b"\n"


def _source(s3: Any, bucket: str, file: str, source: str | None) -> str:
    """The landing table that has the file; raises ``CommandError`` unless exactly one of those in question has it."""
    if source and source not in LANDING_TABLES:
        raise CommandError(f"SOURCE is {source!r}; it can be {', '.join(LANDING_TABLES)}")
    wanted = [source] if source else LANDING_TABLES
    found = [table for table in wanted if _exists(s3, bucket, f"{table}/{file}")]
    if not found:
        raise CommandError(f"FILE is {file!r}; there is no such file in s3://{bucket}/ under {', '.join(wanted)}")
    if len(found) > 1:
        raise CommandError(f"FILE is {file!r}, which {', '.join(found)} have; choose one with SOURCE=")
    return found[0]


def _exists(s3: Any, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def _lines(content: Any, size: int = 1 << 16) -> Iterator[bytes]:
    """The lines of a file, each with its end; of a damaged gzip, those before the damage."""
    left = b""
    try:
        while chunk := content.read1(size) if hasattr(content, "read1") else content.read(size):
            *whole, left = (left + chunk).split(b"\n")
            yield from (line + b"\n" for line in whole)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        pass
    if left:
        yield left


def _whole_object(lines: Iterable[bytes]) -> bytes:
    """The lines that an object takes which begins on the first; the first alone where none ends."""
    first, text = None, b""
    for line in lines:
        text += line
        first = first or line
        if not first.lstrip().startswith(b"{"):
            break
        try:
            json.JSONDecoder(strict=False).raw_decode(text.decode(errors="replace").lstrip("\ufeff \t\r\n"))
        except ValueError:
            continue
        return text
    return first or b""
