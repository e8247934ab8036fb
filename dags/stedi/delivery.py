"""Delivers landing files to the landing zone: each to the folder of its table, each content once."""

import hashlib
import logging
import mimetypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stedi.settings import PROJECT
from stedi.tables import SOURCES

log = logging.getLogger(__name__)

#: The landing source that travels with the project. A name, since its path differs from worker to worker.
SAMPLE = "sample"


class LandingSourceError(ValueError):
    """The landing source cannot be delivered; the message says what is wrong, where, and what is expected."""


@dataclass(frozen=True)
class _File:
    """A file of the source: its name below the folder, its bytes in number, and where it is."""

    name: str
    size: int
    path: Path | None = None
    bucket: str = ""
    key: str = ""
    etag: str = ""

    def fingerprint(self) -> str:
        """Tells this content from another; kept with the delivered object."""
        if self.path is None:
            return f"etag {self.etag}"
        with self.path.open("rb") as file:
            return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


def deliver(s3: Any, source: str, bucket: str) -> dict[str, dict[str, int]]:
    """Copies the files of ``source`` to ``s3://<bucket>/<landing table>/``, those that are not there already.

    ``source`` is a directory or an ``s3://`` prefix with a folder for each source that delivers, or ``sample``;
    ``s3`` a boto3 client. A source may have no folder, or an empty one: it delivers nothing this time. A file that
    changed since it was delivered replaces its object. Files whose name starts with a dot or an underscore are no data,
    as for Spark and Athena.

    Returns {landing table: {"files", "sent"}}. Raises LandingSourceError, before anything is sent, for a folder that is
    no source, and where no source has a folder.
    """
    if source == SAMPLE:
        source = str(PROJECT / "include" / "sample")
    origin = _S3Source(s3, source) if source.startswith("s3://") else _Directory(source)
    known = f"The folders of a delivery are {', '.join(f'{name}/' for name in SOURCES)}"
    folders, stray_files = origin.content()
    if unknown := sorted(folders - SOURCES.keys()):
        raise LandingSourceError(f"{source} has the folder {unknown[0]}/, which is no source. {known}.")
    if not folders:
        raise LandingSourceError(f"{source} has no folder of a source. {known}; at least one must be there.")
    for name in stray_files:
        log.warning("Not delivered, since it is in no folder of a source: %s", name)
    deliveries = {}
    for folder, table in SOURCES.items():
        deliveries[table] = list(origin.files(folder)) if folder in folders else []
        if not deliveries[table]:
            log.info("%s delivers nothing: %s has no files in %s/", table, source, folder)

    def send(table: str, sizes: dict[str, int], file: _File) -> bool:
        key = f"{table}/{file.name}"
        fingerprint = file.fingerprint()
        if sizes.get(key) == file.size:
            delivered = s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("fingerprint")
            if delivered == fingerprint:
                return False
        extra = {
            "Metadata": {"fingerprint": fingerprint},
            "ContentType": mimetypes.guess_type(file.name)[0] or "application/json",
        }
        if file.path is not None:
            s3.upload_file(str(file.path), bucket, key, ExtraArgs=extra)
        else:
            origin = {"Bucket": file.bucket, "Key": file.key}
            # Not with its tags, which would need more permissions.
            replaced = {"MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE"}
            s3.copy(origin, bucket, key, ExtraArgs=extra | replaced)
        return True

    counts = {}
    with ThreadPoolExecutor(max_workers=8) as pool:
        for table, files in deliveries.items():
            sizes = {item["Key"]: item["Size"] for item in _objects(s3, bucket, f"{table}/")}
            sent = sum(pool.map(lambda file, table=table, sizes=sizes: send(table, sizes, file), files))
            counts[table] = {"files": len(files), "sent": sent}
    return counts


def _is_data(name: str) -> bool:
    return not any(part.startswith((".", "_")) for part in name.split("/"))


class _Directory:
    """A delivery in a directory."""

    def __init__(self, source: str) -> None:
        self.root = Path(source)
        if not self.root.is_dir():
            raise LandingSourceError(f"The landing source {source} is not a directory")

    def content(self) -> tuple[set[str], list[str]]:
        """The names of the folders, and of the files beside them."""
        entries = [path for path in sorted(self.root.iterdir()) if _is_data(path.name)]
        return {path.name for path in entries if path.is_dir()}, [path.name for path in entries if path.is_file()]

    def files(self, folder: str) -> Iterator[_File]:
        root = self.root / folder
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and _is_data(name):
                yield _File(name, path.stat().st_size, path=path)


class _S3Source:
    """A delivery below an ``s3://`` prefix."""

    def __init__(self, s3: Any, source: str) -> None:
        self.s3 = s3
        self.bucket, _, prefix = source.removeprefix("s3://").partition("/")
        self.prefix = f"{prefix.rstrip('/')}/".lstrip("/")

    def content(self) -> tuple[set[str], list[str]]:
        """The names of the folders, and of the files beside them."""
        folders, files = set(), []
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix, Delimiter="/")
        for page in pages:
            folders |= {entry["Prefix"].removeprefix(self.prefix)[:-1] for entry in page.get("CommonPrefixes", [])}
            files += [item["Key"].removeprefix(self.prefix) for item in page.get("Contents", [])]
        return {name for name in folders if _is_data(name)}, [name for name in files if name and _is_data(name)]

    def files(self, folder: str) -> Iterator[_File]:
        root = f"{self.prefix}{folder}/"
        for item in _objects(self.s3, self.bucket, root):
            name = item["Key"].removeprefix(root)
            if name and not name.endswith("/") and _is_data(name):
                yield _File(name, item["Size"], bucket=self.bucket, key=item["Key"], etag=item["ETag"].strip('"'))


def _objects(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])
