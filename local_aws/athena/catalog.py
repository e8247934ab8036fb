"""Looks up databases, tables and views in the Glue Data Catalog, and says what a query reads of a table."""

import base64
import json
import re
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.tables import CATALOG, Table, View
from local_aws.athena.types import athena_type, data_type, hive_name, hive_type, iceberg_data_type
from local_aws.settings import ACCESS_KEY, REGION, LocalAws

if TYPE_CHECKING:
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

OPENX = "org.openx.data.jsonserde.JsonSerDe"
LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")
#: What delimited text may set, since it is so without.
_TEXT_SETTINGS = {("line.delim", "\n"), ("serialization.null.format", "\\N"), ("serialization.encoding", "UTF-8")}
_TEXT_PROPERTIES = {"skip.header.line.count": "0", "skip.footer.line.count": "0", "serialization.null.format": "\\N"}
#: The columns of an Iceberg table's metadata tables, as Hive types.
_METADATA_TABLES = {
    "snapshots": {
        "committed_at": "timestamp with time zone",
        "snapshot_id": "bigint",
        "parent_id": "bigint",
        "operation": "string",
        "manifest_list": "string",
        "summary": "map<string,string>",
    },
    "history": {
        "made_current_at": "timestamp with time zone",
        "snapshot_id": "bigint",
        "parent_id": "bigint",
        "is_current_ancestor": "boolean",
    },
    "refs": {
        "name": "string",
        "type": "string",
        "snapshot_id": "bigint",
        "max_reference_age_in_ms": "bigint",
        "min_snapshots_to_keep": "int",
        "max_snapshot_age_in_ms": "bigint",
    },
    "files": {
        "content": "int",
        "file_path": "string",
        "file_format": "string",
        "record_count": "bigint",
        "file_size_in_bytes": "bigint",
    },
    "partitions": {"partition": "string", "record_count": "bigint", "file_count": "bigint", "total_size": "bigint"},
}
_RENAMED = {"total_size": "total_data_file_size_in_bytes"}

#: A table, view or database as the Glue Data Catalog describes it.
Described = dict[str, Any]


class Catalog:
    """The catalog of one local AWS, asked with an access key.

    Its methods block (HTTP to the local AWS), so call them off the event loop.
    """

    def __init__(self, local_aws: LocalAws, key: str = ACCESS_KEY) -> None:
        self._local_aws = local_aws
        self._key = key
        self.glue = local_aws.client("glue", key)
        self.s3 = local_aws.client("s3", key)
        # The queries of a run ask for the same few again and again; Iceberg never changes such a file.
        self._metadata = lru_cache(128)(self._read_metadata)

    @cached_property
    def iceberg(self) -> "GlueCatalog":
        """pyiceberg's view of the same catalog."""
        from pyiceberg.catalog.glue import GlueCatalog

        properties = {}
        for service in ("glue", "s3"):
            properties[f"{service}.endpoint"] = self._local_aws.endpoint
            properties[f"{service}.region"] = REGION
            properties[f"{service}.access-key-id"] = properties[f"{service}.secret-access-key"] = self._key
        return GlueCatalog("local", **properties)

    # --- databases and tables ---

    def glue_table(self, database: str, table: str) -> Described | None:
        """The table in the Glue Data Catalog, or None."""
        try:
            described: Described = self.glue.get_table(DatabaseName=database, Name=table)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            return None
        return described

    def existing(self, database: str, table: str) -> Described:
        """The table in the Glue Data Catalog; raises ``QueryFailed`` if there is none."""
        described = self.glue_table(database, table)
        if described is None:
            self.existing_database(database)
            name = f"{CATALOG}.{database}.{table}"
            raise QueryFailed(f"TABLE_NOT_FOUND: line {{position}}: Table '{name}' does not exist")
        return described

    def existing_database(self, database: str) -> Described:
        """The database in the Glue Data Catalog; raises ``QueryFailed`` if there is none."""
        try:
            described: Described = self.glue.get_database(Name=database)["Database"]
        except self.glue.exceptions.EntityNotFoundException:
            raise QueryFailed(f"SCHEMA_NOT_FOUND: line {{position}}: Schema '{database}' does not exist") from None
        return described

    def databases(self) -> list[Described]:
        """All databases, by name."""
        pages = self.glue.get_paginator("get_databases").paginate()
        return sorted((d for page in pages for d in page["DatabaseList"]), key=lambda d: str(d["Name"]))

    def tables(self, database: str) -> list[Described]:
        """All tables and views of a database, by name."""
        self.existing_database(database)
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return sorted((t for page in pages for t in page["TableList"]), key=lambda t: str(t["Name"]))

    def columns(self, table: Described) -> list[dict[str, str]]:
        """A table's columns (Name, Type, Comment) as they are now; an Iceberg table's from its metadata."""
        if not is_iceberg(table):
            return [*table["StorageDescriptor"]["Columns"], *(table.get("PartitionKeys") or ())]
        fields = self.iceberg_table(table).schema().fields
        return [{"Name": f.name.lower(), "Type": hive_type(f.field_type), "Comment": f.doc or ""} for f in fields]

    def iceberg_table(self, table: Described) -> "IcebergTable":
        """The Iceberg table behind a table of the Glue Data Catalog, for what its metadata file says.

        Without a way to data files, whose libraries (and those of ``iceberg``) take longer to load than most queries.
        """
        from pyiceberg.catalog.noop import NoopCatalog
        from pyiceberg.table import StaticTable

        location = table["Parameters"]["metadata_location"]
        metadata = self._metadata(location)
        name = (table["DatabaseName"], table["Name"])
        return StaticTable(name, metadata, location, io=None, catalog=NoopCatalog("local"))  # type: ignore[arg-type]

    def _read_metadata(self, location: str) -> "TableMetadata":
        from pyiceberg.table.metadata import TableMetadataUtil

        bucket, key = bucket_and_key(location)
        return TableMetadataUtil.parse_raw(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    # --- what a query reads ---

    def resolve(self, database: str, table: str, version: exp.Version | None) -> Table | View:
        """What a query reads under this name (see ``tables.Resolve``)."""
        name, _, metadata_table = table.partition("$")
        described = self.existing(database, name)
        if is_iceberg(described):
            if metadata_table in ("files", "partitions"):  # read manifests
                return _metadata_table(self.iceberg.load_table((database, name)), metadata_table)
            iceberg = self.iceberg_table(described)
            return _metadata_table(iceberg, metadata_table) if metadata_table else _iceberg(iceberg, version)
        if metadata_table or version is not None:
            raise QueryFailed(f"NOT_SUPPORTED: line {{position}}: {database}.{name} is not an Iceberg table")
        if described.get("TableType") == "VIRTUAL_VIEW":
            view = view_definition(described)
            return View(view["originalSql"], view.get("schema") or database)
        return self._external(described)

    def _external(self, table: Described) -> Table:
        serde = table["StorageDescriptor"].get("SerdeInfo", {})
        read = {OPENX: self._json, LAZY_SIMPLE: self._text}.get(serde.get("SerializationLibrary"))
        if read is None:
            raise NotSupported(f"reading tables with the SerDe {serde.get('SerializationLibrary')}")
        if table.get("PartitionKeys"):
            raise NotSupported("reading partitioned external tables")
        objects = self._objects(table["StorageDescriptor"]["Location"])
        types, source = read(table, {key.lower(): value for key, value in (serde.get("Parameters") or {}).items()})
        scanned = sum(item["size"] for item in objects)
        source |= {"objects": objects, "locations": [], "bytes": scanned}
        return Table(types, source, hidden={"$path": data_type("string")})

    def _text(self, table: Described, properties: dict[str, str]) -> tuple[dict[str, exp.DataType], dict[str, Any]]:
        """The columns of a table of delimited text, and what the engine must know of it."""
        delimiter = text_delimiter(properties, table.get("Parameters") or {})
        types = {column["Name"].lower(): data_type(column["Type"]) for column in table["StorageDescriptor"]["Columns"]}
        for name, kind in types.items():
            if kind.this != exp.DType.TEXT:
                raise NotSupported(f"columns of type {athena_type(hive_name(kind))} in delimited text ({name})")
        return types, {"kind": "text", "columns": list(types), "delimiter": delimiter}

    def _json(self, table: Described, properties: dict[str, str]) -> tuple[dict[str, exp.DataType], dict[str, Any]]:
        """The columns of a table of JSON lines, and what the engine must know of it."""
        for key in ("case.insensitive", "dots.in.keys"):
            if properties.get(key, "").lower() == ("false" if key == "case.insensitive" else "true"):
                raise NotSupported(f"{key} = {properties[key]}")
        types = {column["Name"].lower(): data_type(column["Type"]) for column in table["StorageDescriptor"]["Columns"]}
        source = {
            "kind": "json",
            "columns": [
                (name, kind.sql(dialect="duckdb"), properties.get(f"mapping.{name}", name).lower())
                for name, kind in types.items()
            ],
            "ignore_malformed": properties.get("ignore.malformed.json", "").lower() == "true",
            "null_for_invalid": properties.get("use.null.for.invalid.data", "").lower() == "true",
        }
        return types, source

    def _objects(self, location: str) -> list[dict[str, Any]]:
        """The objects that hold a table's rows, by URI, size and ETag: none that is hidden (_ or .) or empty."""
        bucket, prefix = location_parts(location)
        objects = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                names = item["Key"][len(prefix) :].split("/")
                if item["Size"] and not any(name.startswith(("_", ".")) for name in names):
                    uri = f"s3://{bucket}/{item['Key']}"
                    objects.append({"uri": uri, "size": item["Size"], "etag": item["ETag"]})
        return objects


def is_iceberg(table: Described) -> bool:
    """Whether a table of the Glue Data Catalog is an Iceberg table."""
    return str((table.get("Parameters") or {}).get("table_type", "")).upper() == "ICEBERG"


def text_delimiter(serde: dict[str, str], table: dict[str, str]) -> str:
    """What separates the fields of a table of delimited text; raises ``NotSupported`` for any other setting."""
    delimiter = serde.get("field.delim", serde.get("serialization.format", "\x01"))
    if re.fullmatch("[0-9]{1,3}", delimiter):  # Hive takes a number for a character's code
        delimiter = chr(int(delimiter))
    if len(delimiter) != 1 or not "\0" < delimiter <= "\x7f" or delimiter in "\r\n\\":
        raise NotSupported(f"the field delimiter {delimiter!r}")
    for key, value in serde.items():
        if key not in ("field.delim", "serialization.format") and (key, value) not in _TEXT_SETTINGS:
            raise NotSupported(f"'{key}'='{value}' of delimited text")
    for key, value in table.items():
        if key in _TEXT_PROPERTIES and value != _TEXT_PROPERTIES[key]:
            raise NotSupported(f"'{key}'='{value}'")
    return delimiter


def view_definition(table: Described) -> dict[str, Any]:
    """What a view of the Glue Data Catalog holds (originalSql, schema, columns); raises ``NotSupported``."""
    encoded = _VIEW.search(table.get("ViewOriginalText") or "")
    if not encoded:
        raise NotSupported("a view that was not created by Athena")
    definition: dict[str, Any] = json.loads(base64.b64decode(encoded[1]))
    return definition


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The bucket and the key in an S3 URI; raises ``QueryFailed``."""
    match = re.fullmatch(r"s3[an]?://([^/]+)/?(.*)", uri)
    if not match:
        raise QueryFailed(f"INVALID_TABLE_PROPERTY: Location '{uri}' is not an S3 location")
    return match[1], match[2]


def location_parts(location: str) -> tuple[str, str]:
    """The bucket and the prefix (ending in / unless empty) of an S3 location; raises ``QueryFailed``."""
    bucket, prefix = bucket_and_key(location)
    return bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else ""


def _iceberg(table: "IcebergTable", version: exp.Version | None) -> Table:
    chosen = _snapshot(table, version) if version is not None else None
    schema = table.schema()
    if chosen is not None and chosen.schema_id is not None:
        schema = table.schemas()[chosen.schema_id]
    columns = [(field.name, hive_type(field.field_type)) for field in schema.fields]
    types = {name.lower(): iceberg_data_type(kind) for name, kind in columns}
    snapshot = chosen or table.current_snapshot()
    if snapshot is None:
        return Table(types, _rows({name: data_type(kind) for name, kind in columns}, []))
    source = {
        "kind": "iceberg",
        "metadata": table.metadata_location,
        "snapshot": chosen.snapshot_id if chosen else None,
        "columns": columns,
        "locations": sorted({table.location().rstrip("/") + "/", table.metadata_location.rpartition("/")[0] + "/"}),
        "bytes": int((snapshot.summary and snapshot.summary.get("total-files-size")) or 0),
    }
    return Table(types, source)


def _metadata_table(table: "IcebergTable", name: str) -> Table:
    if name not in _METADATA_TABLES:
        raise NotSupported(f"the metadata table ${name}")
    types = {column: data_type(hive) for column, hive in _METADATA_TABLES[name].items()}
    rows = getattr(table.inspect, name)().to_pylist()
    return Table(types, _rows(types, [[_plain(row.get(_RENAMED.get(c, c)), c) for c in types] for row in rows]))


def _plain(value: Any, column: str) -> Any:
    """A metadata table's value as JSON can carry it to the engine."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds")  # pyiceberg's instants are UTC, unsaid
    if column == "summary" and value is not None:
        return dict(value)
    return json.dumps(value, default=str) if column == "partition" else value


def _snapshot(table: "IcebergTable", version: exp.Version) -> "Snapshot":
    """The snapshot that FOR VERSION or FOR TIMESTAMP AS OF names; raises ``QueryFailed``."""
    value = version.expression
    if version.this == "VERSION":
        if not (isinstance(value, exp.Literal) and value.this.isdigit()):
            raise NotSupported("FOR VERSION AS OF anything but a snapshot id")
        snapshot = table.snapshot_by_id(int(value.this))
        if snapshot is None:
            raise QueryFailed(f"INVALID_ARGUMENTS: Iceberg snapshot ID does not exists: {value.this}")
        return snapshot
    text = value.this.name if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal) else ""
    try:
        instant = datetime.fromisoformat(re.sub(r" UTC$", "+00:00", text))
    except ValueError:
        raise NotSupported("FOR TIMESTAMP AS OF anything but a timestamp literal (in UTC)") from None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    snapshot = table.snapshot_as_of_timestamp(int(instant.timestamp() * 1000))
    if snapshot is None:
        raise QueryFailed(f"INVALID_ARGUMENTS: No version history table at or before {instant.isoformat()}")
    return snapshot


def _rows(types: dict[str, exp.DataType], rows: list[list[Any]]) -> dict[str, Any]:
    columns = [(name, kind.sql(dialect="duckdb")) for name, kind in types.items()]
    return {"kind": "rows", "columns": columns, "rows": rows, "locations": [], "bytes": 0}
