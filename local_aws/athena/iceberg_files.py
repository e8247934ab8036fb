"""Reads Iceberg tables into DuckDB, from copies of their files that all queries share."""

import json
from pathlib import Path
from typing import Any

import duckdb

from local_aws.athena.objects import Readable, fetch
from local_aws.athena.quoting import name, text


def create_iceberg(connection: duckdb.DuckDBPyConnection, source: dict[str, Any], job: dict[str, Any]) -> list[Path]:
    """A view of an Iceberg table; gives the files that it reads.

    From copies, since reading 130 MB from the local S3 takes seconds; but a table that would fill much of the cache,
    or whose files lie elsewhere than in its folders ``metadata`` and ``data``, from S3.
    """
    options = f", snapshot_from_id={source['snapshot']}" if source["snapshot"] else ""
    metadata, files = source["metadata"], list[Path]()
    if source["bytes"] <= job["cache_bytes"] // 4 and metadata.endswith(".metadata.json"):
        directory = Path(job["spill"]) / source["name"]
        files = _copies(connection, metadata, source["snapshot"], directory, job)
        if files:
            version = files[0].name.removesuffix(".metadata.json")
            metadata = str(directory)
            options += f", allow_moved_paths=true, version={text(version)}, version_name_format='%s%s.metadata.json'"
    columns = ", ".join(f"{name(column)} AS {name(column.lower())}" for column, _ in source["columns"])
    connection.execute(
        f"CREATE TEMP VIEW {source['name']} AS SELECT {columns} FROM iceberg_scan({text(metadata)}{options})"
    )
    return files


def _copies(
    connection: duckdb.DuckDBPyConnection, metadata: str, snapshot: int | None, directory: Path, job: dict[str, Any]
) -> list[Path]:
    """Copies of what a snapshot (the current one if None) consists of, in folders as in S3, the metadata first.

    Nothing if a file has no place in these folders.
    """

    def copy(uris: list[str]) -> list[Path]:
        objects = [{"uri": uri, "name": _place(uri)} for uri in uris]
        if not all(item["name"] for item in objects):
            raise _Elsewhere
        return fetch(objects, job, directory, copy_bytes, "Iceberg")

    def column(sql: str, files: list[Path]) -> list[str]:
        rows = [connection.execute(f"SELECT {sql.format(text(str(file)))}").fetchall() for file in files]
        return [value for found in rows for (value,) in found]

    try:
        files = copy([metadata])
        described = json.loads(files[0].read_text())
        wanted = snapshot or described["current-snapshot-id"]
        lists = copy([item["manifest-list"] for item in described["snapshots"] if item["snapshot-id"] == wanted])
        manifests = copy(column("manifest_path FROM read_avro({})", lists))
        data = copy(column("data_file.file_path FROM read_avro({}) WHERE status <> 2", manifests))
    except (_Elsewhere, duckdb.Error):
        return []
    return [*files, *lists, *manifests, *data]


class _Elsewhere(Exception):
    """A file that is not in its table's folders."""


def _place(uri: str) -> str | None:
    """Where DuckDB looks for a file of a table that was moved."""
    found = uri.rfind("/metadata/")
    found = found if found >= 0 else uri.rfind("/data/")
    place = uri[found + 1 :]
    return place if found >= 0 and not {"", ".", ".."} & set(place.split("/")) else None


def copy_bytes(source: Readable, target: Path, uri: str) -> None:
    """Copies an object as it is."""
    with target.open("wb") as file:
        file.writelines(iter(lambda: source.read(2**20), b""))
