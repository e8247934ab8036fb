"""Delivers landing files to the landing zone: each to the folder of its table, each content once."""

import hashlib
import mimetypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The folders of a landing source, and the landing tables that they feed.
SOURCES = {
    "customer": "customer_landing",
    "accelerometer": "accelerometer_landing",
    "step_trainer": "step_trainer_landing",
}


class LandingSourceError(ValueError):
    """The landing source cannot be delivered; the message says what is missing, where, and what is expected."""


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

    ``source`` is a directory or an ``s3://`` prefix with the folders ``customer``, ``accelerometer`` and
    ``step_trainer``; ``s3`` a boto3 client. A file that changed since it was delivered replaces its object. Files
    whose name starts with a dot or an underscore are no data, as for Spark and Athena.

    Returns {landing table: {"files", "sent"}}. Raises LandingSourceError, before anything is sent, where a folder is
    missing or has no file.
    """
    deliveries = {}
    for folder, table in SOURCES.items():
        files = list(_files_in_s3(s3, source, folder) if source.startswith("s3://") else _files_in(source, folder))
        if not files:
            raise LandingSourceError(
                f"The landing source {source} has no files in {folder}/; it needs the folders {', '.join(SOURCES)}, "
                "each with JSON files"
            )
        deliveries[table] = files

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
            s3.copy(origin, bucket, key, ExtraArgs=extra | {"MetadataDirective": "REPLACE"})
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


def _files_in(source: str, folder: str) -> Iterator[_File]:
    root = Path(source) / folder
    if not root.is_dir():
        raise LandingSourceError(f"The landing source {source} has no folder {folder}/ ({root} is not a directory)")
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and _is_data(name):
            yield _File(name, path.stat().st_size, path=path)


def _files_in_s3(s3: Any, source: str, folder: str) -> Iterator[_File]:
    origin, _, prefix = source.removeprefix("s3://").partition("/")
    root = f"{prefix.rstrip('/')}/{folder}/".lstrip("/")
    for item in _objects(s3, origin, root):
        name = item["Key"].removeprefix(root)
        if name and not name.endswith("/") and _is_data(name):
            yield _File(name, item["Size"], bucket=origin, key=item["Key"], etag=item["ETag"].strip('"'))


def _objects(s3: Any, bucket: str, prefix: str) -> Iterator[dict]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])
