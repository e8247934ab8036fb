"""Databases, tables and views: Athena's DDL on the Glue Data Catalog and Iceberg, and what a query reads of a table."""

import base64
import json
import re
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sqlglot import exp

from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.tables import CATALOG, Table, View
from local_aws.settings import ACCESS_KEY, REGION, LocalAws

OPENX = "org.openx.data.jsonserde.JsonSerDe"
_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")


def hive_type(kind: Any) -> str:
    """An Iceberg type, as a table's metadata writes it, in the Glue Data Catalog's words."""
    if isinstance(kind, dict):
        if kind["type"] == "list":
            return f"array<{hive_type(kind['element'])}>"
        if kind["type"] == "map":
            return f"map<{hive_type(kind['key'])},{hive_type(kind['value'])}>"
        return "struct<" + ",".join(f"{field['name']}:{hive_type(field['type'])}" for field in kind["fields"]) + ">"
    if kind.startswith("decimal"):
        return kind.replace(" ", "")
    names = {"long": "bigint", "timestamptz": "timestamp with time zone", "uuid": "string", "time": "string"}
    return "binary" if kind.startswith("fixed") else names.get(kind, kind)


def data_type(hive: str) -> exp.DataType:
    """A column's type from its name in the Glue Data Catalog."""
    if hive == "timestamp with time zone":
        return exp.DataType.build("timestamptz")
    return exp.DataType.build(hive, dialect="hive")


def athena_type(hive: str) -> str:
    """A column's type as Athena's SQL names it."""
    return data_type(hive).sql(dialect="trino").lower()


def location_parts(location: str) -> tuple[str, str]:
    """The bucket and the prefix (ending in / unless empty) of an S3 location; raises ``QueryFailed``."""
    found = re.fullmatch(r"s3[an]?://([^/]+)/?(.*)", location)
    if not found:
        raise QueryFailed(f"INVALID_TABLE_PROPERTY: Location '{location}' is not an S3 location")
    bucket, prefix = found.groups()
    return bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else ""


class Catalog:
    """The catalog of one local AWS. Its methods block (HTTP to the local AWS), so call them off the event loop."""

    def __init__(self, local_aws: LocalAws) -> None:
        self._local_aws = local_aws
        self.glue = local_aws.client("glue")
        self.s3 = local_aws.client("s3")

    @cached_property
    def iceberg(self) -> Any:
        """pyiceberg's view of the same catalog."""
        from pyiceberg.catalog.glue import GlueCatalog

        endpoint = self._local_aws.endpoint
        keys = {
            f"{service}.{key}": ACCESS_KEY
            for service in ("glue", "s3")
            for key in ("access-key-id", "secret-access-key")
        }
        return GlueCatalog(
            "local",
            **{"glue.endpoint": endpoint, "glue.region": REGION, "s3.endpoint": endpoint, "s3.region": REGION, **keys},
        )

    # --- looking up ---

    def glue_table(self, database: str, table: str) -> dict | None:
        """The table in the Glue Data Catalog, or None."""
        try:
            return self.glue.get_table(DatabaseName=database, Name=table)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            return None

    def existing(self, database: str, table: str) -> dict:
        """The table in the Glue Data Catalog; raises ``QueryFailed`` with {position} in it if there is none."""
        found = self.glue_table(database, table)
        if found is None:
            self.existing_database(database)
            raise QueryFailed(
                f"TABLE_NOT_FOUND: line {{position}}: Table '{CATALOG}.{database}.{table}' does not exist"
            )
        return found

    def existing_database(self, database: str) -> dict:
        """The database in the Glue Data Catalog; raises ``QueryFailed`` with {position} in it if there is none."""
        try:
            return self.glue.get_database(Name=database)["Database"]
        except self.glue.exceptions.EntityNotFoundException:
            raise QueryFailed(f"SCHEMA_NOT_FOUND: line {{position}}: Schema '{database}' does not exist") from None

    def databases(self) -> list[dict]:
        """All databases, by name."""
        pages = self.glue.get_paginator("get_databases").paginate()
        return sorted((d for page in pages for d in page["DatabaseList"]), key=lambda d: d["Name"])

    def tables(self, database: str) -> list[dict]:
        """All tables and views of a database, by name."""
        self.existing_database(database)
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return sorted((t for page in pages for t in page["TableList"]), key=lambda t: t["Name"])

    # --- what a query reads ---

    def resolve(self, database: str, table: str, version: exp.Version | None) -> Table | View:
        """What a query reads under this name (see ``statements.Resolve``)."""
        base, _, metadata_table = table.partition("$")
        found = self.existing(database, base)
        parameters = found.get("Parameters") or {}
        if is_iceberg(found):
            metadata = self.metadata(parameters["metadata_location"])
            if metadata_table:
                return self._metadata_table(database, base, metadata_table, metadata)
            return self._iceberg(found, metadata, version)
        if metadata_table or version is not None:
            raise QueryFailed(f"NOT_SUPPORTED: line {{position}}: {database}.{base} is not an Iceberg table")
        if found.get("TableType") == "VIRTUAL_VIEW":
            view = view_definition(found)
            return View(view["originalSql"], view.get("schema") or database)
        return self._json(found)

    def metadata(self, uri: str) -> dict:
        """An Iceberg table's metadata file."""
        bucket, key = re.fullmatch(r"s3[an]?://([^/]+)/(.+)", uri).groups()
        return {**json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()), "metadata-file": uri}

    def _iceberg(self, found: dict, metadata: dict, version: exp.Version | None) -> Table:
        snapshot = _snapshot(metadata, version) if version is not None else None
        current = metadata.get("current-snapshot-id")
        schema_id = (snapshot or {}).get("schema-id", metadata["current-schema-id"])
        schema = next(s for s in metadata["schemas"] if s["schema-id"] == schema_id)
        fields = [(field["name"], hive_type(field["type"])) for field in schema["fields"]]
        columns = {name.lower(): data_type(kind) for name, kind in fields}
        locations = [
            metadata["location"].rstrip("/") + "/",
            found["Parameters"]["metadata_location"].rpartition("/")[0] + "/",
        ]
        if snapshot is None and current in (None, -1):
            return Table(columns, _rows({name: data_type(kind) for name, kind in fields}, []))
        read = snapshot or next(s for s in metadata["snapshots"] if s["snapshot-id"] == current)
        source = {
            "kind": "iceberg",
            "metadata": metadata["metadata-file"],
            "snapshot": snapshot and snapshot["snapshot-id"],
            "columns": fields,
            "locations": sorted(set(locations)),
            "bytes": int(read.get("summary", {}).get("total-files-size", 0)),
        }
        return Table(columns, source)

    def _metadata_table(self, database: str, table: str, kind: str, metadata: dict) -> Table:
        timestamptz, bigint, text = "timestamp with time zone", "bigint", "string"
        snapshots = metadata.get("snapshots") or []
        if kind == "snapshots":
            columns = {"committed_at": timestamptz, "snapshot_id": bigint, "parent_id": bigint, "operation": text}
            columns |= {"manifest_list": text, "summary": "map<string,string>"}
            rows = [
                [
                    _instant(s["timestamp-ms"]),
                    s["snapshot-id"],
                    s.get("parent-snapshot-id"),
                    s.get("summary", {}).get("operation"),
                    s.get("manifest-list"),
                    {key: value for key, value in s.get("summary", {}).items() if key != "operation"},
                ]
                for s in sorted(snapshots, key=lambda s: s["timestamp-ms"])
            ]
        elif kind == "history":
            columns = {
                "made_current_at": timestamptz,
                "snapshot_id": bigint,
                "parent_id": bigint,
                "is_current_ancestor": "boolean",
            }
            parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in snapshots}
            ancestors, at = set(), metadata.get("current-snapshot-id")
            while at in parents and at not in ancestors:
                ancestors.add(at)
                at = parents[at]
            rows = [
                [
                    _instant(e["timestamp-ms"]),
                    e["snapshot-id"],
                    parents.get(e["snapshot-id"]),
                    e["snapshot-id"] in ancestors,
                ]
                for e in metadata.get("snapshot-log") or []
            ]
        elif kind in ("files", "partitions"):
            inspect = self.iceberg.load_table((database, table)).inspect
            if kind == "files":
                columns = {
                    "content": "int",
                    "file_path": text,
                    "file_format": text,
                    "record_count": bigint,
                    "file_size_in_bytes": bigint,
                }
                rows = [[row[name] for name in columns] for row in inspect.files().to_pylist()]
            else:
                columns = {"partition": text, "record_count": bigint, "file_count": bigint, "total_size": bigint}
                rows = [
                    [
                        json.dumps(row.get("partition"), default=str),
                        row["record_count"],
                        row["file_count"],
                        row["total_data_file_size_in_bytes"],
                    ]
                    for row in inspect.partitions().to_pylist()
                ]
        else:
            raise NotSupported(f"the metadata table ${kind}")
        types = {name: data_type(hive) for name, hive in columns.items()}
        return Table(types, _rows(types, rows))

    def _json(self, found: dict) -> Table:
        storage = found["StorageDescriptor"]
        serde = storage.get("SerdeInfo", {})
        if serde.get("SerializationLibrary") != OPENX:
            raise NotSupported(f"reading tables with the SerDe {serde.get('SerializationLibrary')}")
        if found.get("PartitionKeys"):
            raise NotSupported("reading partitioned external tables")
        properties = {key.lower(): value for key, value in (serde.get("Parameters") or {}).items()}
        for key in ("case.insensitive", "dots.in.keys"):
            if properties.get(key, "").lower() == ("false" if key == "case.insensitive" else "true"):
                raise NotSupported(f"{key} = {properties[key]}")
        columns = {column["Name"].lower(): column["Type"] for column in storage["Columns"]}
        objects = self._objects(storage["Location"])
        source = {
            "kind": "json",
            "columns": [
                (name, data_type(kind).sql(dialect="duckdb"), properties.get(f"mapping.{name}", name).lower())
                for name, kind in columns.items()
            ],
            "objects": [uri for uri, _ in objects],
            "ignore_malformed": properties.get("ignore.malformed.json", "").lower() == "true",
            "null_for_invalid": properties.get("use.null.for.invalid.data", "").lower() == "true",
            "locations": [],
            "bytes": sum(size for _, size in objects),
        }
        types = {name: data_type(kind) for name, kind in columns.items()}
        return Table(types, source, hidden={"$path": data_type("string")})

    def _objects(self, location: str) -> list[tuple[str, int]]:
        """The objects that hold a table's rows, and their sizes: none that is hidden (_ or .) or empty."""
        bucket, prefix = location_parts(location)
        found = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                names = item["Key"][len(prefix) :].split("/")
                if item["Size"] and not any(name.startswith(("_", ".")) for name in names):
                    if item["Key"].endswith((".bz2", ".snappy", ".lz4", ".zst", ".deflate")):
                        raise NotSupported(f"the compression of {item['Key']}")
                    found.append((f"s3://{bucket}/{item['Key']}", item["Size"]))
        return found

    # --- DDL: each answers the text that Athena answers ---

    def create_database(self, statement: exp.Create) -> None:
        """CREATE DATABASE; COMMENT and LOCATION are kept."""
        properties = _properties(statement)
        table_input: dict[str, Any] = {"Name": statement.this.name.lower()}
        if "comment" in properties:
            table_input["Description"] = properties["comment"]
        if "location" in properties:
            table_input["LocationUri"] = properties["location"]
        _only(properties, {"comment", "location", "properties"}, "CREATE DATABASE")
        if properties["properties"]:
            table_input["Parameters"] = properties["properties"]
        try:
            self.glue.create_database(DatabaseInput=table_input)
        except self.glue.exceptions.AlreadyExistsException:
            if not statement.args.get("exists"):
                raise QueryFailed(
                    "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                    f"AlreadyExistsException(message:Database {table_input['Name']} already exists)"
                ) from None

    def drop_database(self, name: str, if_exists: bool, cascade: bool, default_database: str) -> None:
        """DROP DATABASE; with tables in it only CASCADE, which drops them as DROP TABLE does."""
        name = name.lower()
        try:
            tables = self.tables(name)
        except QueryFailed:
            if if_exists:
                return
            raise QueryFailed(f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}") from None
        if tables and not cascade:
            raise QueryFailed(
                "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
            )
        for table in tables:
            self.drop_table(name, table["Name"], if_exists=True)
        self.glue.delete_database(Name=name)

    def create_table(self, statement: exp.Create, database: str) -> None:
        """CREATE EXTERNAL TABLE of OpenX JSON, or CREATE TABLE of Iceberg; raises ``QueryFailed`` for every other."""
        if not isinstance(statement.this, exp.Schema):
            raise NotSupported("CREATE TABLE AS SELECT")
        table = statement.this.this
        database, name = (table.db or database).lower(), table.name.lower()
        self.existing_database(database)
        properties = _properties(statement)
        columns = [_column(column) for column in statement.this.expressions]
        names = [column["Name"] for column in columns]
        if len(set(names)) < len(names):
            raise QueryFailed("FAILED: SemanticException [Error 10036]: Duplicate column name")
        if "location" not in properties:
            raise QueryFailed("INVALID_TABLE_PROPERTY: A table needs a LOCATION")
        location_parts(properties["location"])
        external = properties.pop("external", False)
        is_iceberg_wanted = properties["properties"].get("table_type", "").upper() == "ICEBERG"
        if external == is_iceberg_wanted:
            raise NotSupported(
                "CREATE EXTERNAL TABLE of Iceberg" if external else "CREATE TABLE that is neither EXTERNAL nor Iceberg"
            )
        if self.glue_table(database, name):
            if statement.args.get("exists"):
                return
            raise QueryFailed(
                "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"AlreadyExistsException(message:Table {name} already exists.)"
            )
        if external:
            self._create_json(database, name, columns, properties)
        else:
            self._create_iceberg(database, name, columns, properties)

    def _create_json(self, database: str, name: str, columns: list[dict], properties: dict) -> None:
        _only(
            properties,
            {"comment", "location", "properties", "serde", "serde_properties", "partitions", "input_format"},
            "CREATE EXTERNAL TABLE",
        )
        if properties.get("serde") != OPENX:
            raise NotSupported(f"CREATE EXTERNAL TABLE with anything but ROW FORMAT SERDE '{OPENX}'")
        if properties.get("partitions"):
            raise NotSupported("PARTITIONED BY for external tables")
        self.glue.create_table(
            DatabaseName=database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Description": properties.get("comment", ""),
                "PartitionKeys": [],
                "Parameters": {"EXTERNAL": "TRUE", **properties["properties"]},
                "StorageDescriptor": {
                    "Columns": columns,
                    "Location": properties["location"],
                    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": OPENX,
                        "Parameters": {"serialization.format": "1", **properties.get("serde_properties", {})},
                    },
                },
            },
        )

    def _create_iceberg(self, database: str, name: str, columns: list[dict], properties: dict) -> None:
        from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.types import NestedField

        _only(properties, {"comment", "location", "properties", "partitions"}, "CREATE TABLE")
        wanted = properties["properties"]
        table_properties = {"format-version": "2"}
        if "comment" in properties:
            table_properties |= {"comment": properties["comment"], "Description": properties["comment"]}
        for key, value in wanted.items():
            if key == "table_type":
                continue
            if key == "format" and value.lower() == "parquet":
                table_properties["write.format.default"] = "parquet"
            elif key == "write_compression" and value.lower() in ("zstd", "snappy", "gzip", "lz4", "none"):
                table_properties["write.parquet.compression-codec"] = {"none": "uncompressed"}.get(
                    value.lower(), value.lower()
                )
            elif key == "format_version" and value == "2":
                continue
            elif key.startswith(("vacuum_", "optimize_", "write_target_data_file_size")):
                table_properties[key] = value
            else:
                raise QueryFailed(f"INVALID_TABLE_PROPERTY: Unsupported table property key or value: {key} = {value}")
        number = iter(range(1, 10_000))
        fields = [
            NestedField(
                next(number),
                column["Name"],
                _iceberg_type(data_type(column["Type"]), number),
                doc=column.get("Comment"),
            )
            for column in columns
        ]
        schema = Schema(*fields)
        ids = {field.name: field.field_id for field in fields}
        partitions = []
        for source, transform, label in (_partition(p) for p in properties.get("partitions", [])):
            if source not in ids:
                raise QueryFailed(f"COLUMN_NOT_FOUND: line 1:1: Column '{source}' cannot be resolved")
            partitions.append(PartitionField(ids[source], 1000 + len(partitions), transform, label))
        self.iceberg.create_table(
            (database, name),
            schema,
            location=properties["location"].rstrip("/"),
            partition_spec=PartitionSpec(*partitions) if partitions else UNPARTITIONED_PARTITION_SPEC,
            properties=table_properties,
        )

    def drop_table(self, database: str, name: str, if_exists: bool, kind: str = "TABLE") -> None:
        """DROP TABLE and VIEW; an Iceberg table's files go too, as in Athena, an external table's stay."""
        found = self.glue_table(database, name)
        if found is None:
            if if_exists:
                return
            raise QueryFailed(f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        if (found.get("TableType") == "VIRTUAL_VIEW") != (kind == "VIEW") and not if_exists:
            raise QueryFailed(f"FAILED: SemanticException: {database}.{name} is not a {kind.lower()}")
        self.glue.delete_table(DatabaseName=database, Name=name)
        if is_iceberg(found):
            metadata = found["Parameters"]["metadata_location"]
            location = found["StorageDescriptor"].get("Location") or metadata.rpartition("/metadata/")[0]
            bucket, prefix = location_parts(location)
            if prefix:
                for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                    if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
                        self.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    def create_view(self, database: str, name: str, sql: str, columns: list[tuple[str, str]], replace: bool) -> None:
        """CREATE VIEW, kept in the Glue Data Catalog as Athena keeps it. ``columns``: names and Hive types."""
        found = self.glue_table(database, name)
        if found and not (replace and found.get("TableType") == "VIRTUAL_VIEW"):
            raise QueryFailed(f"ALREADY_EXISTS: line 1:1: View already exists: '{CATALOG}.{database}.{name}'")
        definition = {
            "originalSql": sql,
            "catalog": CATALOG,
            "schema": database,
            "columns": [{"name": column, "type": athena_type(kind)} for column, kind in columns],
        }
        text = f"/* Presto View: {base64.b64encode(json.dumps(definition).encode()).decode()} */"
        table_input = {
            "Name": name,
            "TableType": "VIRTUAL_VIEW",
            "PartitionKeys": [],
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": text,
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": column, "Type": kind} for column, kind in columns],
                "Location": "",
            },
        }
        (self.glue.update_table if found else self.glue.create_table)(DatabaseName=database, TableInput=table_input)

    def add_columns(self, database: str, name: str, definitions: list[exp.ColumnDef]) -> None:
        """ALTER TABLE … ADD COLUMNS of an Iceberg table."""
        if not is_iceberg(self.existing(database, name)):
            raise NotSupported("ALTER TABLE ADD COLUMNS for tables that are not Iceberg")
        number = iter(range(100_000, 200_000))
        with self.iceberg.load_table((database, name)).update_schema() as update:
            for column in map(_column, definitions):
                update.add_column(
                    column["Name"], _iceberg_type(data_type(column["Type"]), number), doc=column.get("Comment")
                )

    # --- SHOW and DESCRIBE: lines of text ---

    def columns(self, found: dict) -> list[dict]:
        """A table's columns (Name, Type, Comment) as they are now; an Iceberg table's from its metadata."""
        if not is_iceberg(found):
            return [*found["StorageDescriptor"]["Columns"], *(found.get("PartitionKeys") or ())]
        metadata = self.metadata(found["Parameters"]["metadata_location"])
        schema = next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])
        return [
            {"Name": f["name"].lower(), "Type": hive_type(f["type"]), "Comment": f.get("doc") or ""}
            for f in schema["fields"]
        ]

    def describe(self, found: dict) -> list[str]:
        """DESCRIBE: a line for each column, its name, type and comment padded as Hive pads them."""
        return [f"{c['Name']:<20}\t{c['Type']:<20}\t{c.get('Comment') or '':<20}" for c in self.columns(found)]

    def show_create_table(self, found: dict) -> list[str]:
        """SHOW CREATE TABLE."""
        name = (
            f"`{found['DatabaseName']}`.`{found['Name']}`"
            if not is_iceberg(found)
            else f"{found['DatabaseName']}.{found['Name']}"
        )
        external = "" if is_iceberg(found) else "EXTERNAL "
        quote = "" if is_iceberg(found) else "`"
        columns = [
            f"  {quote}{c['Name']}{quote} {c['Type']}"
            + (f" COMMENT {_quoted(c['Comment'])}" if c.get("Comment") else "")
            for c in self.columns(found)
        ]
        lines = [f"CREATE {external}TABLE {name}(", *(",\n".join(columns) + ")").split("\n")]
        if comment := found.get("Description") or (found.get("Parameters") or {}).get("comment"):
            lines.append(f"COMMENT {_quoted(comment)}")
        if is_iceberg(found):
            metadata = self.metadata(found["Parameters"]["metadata_location"])
            if parts := _partition_texts(metadata):
                lines.append(f"PARTITIONED BY ({', '.join(f'`{p}`' if p.isidentifier() else p for p in parts)})")
            own = {"table_type": "iceberg", "format": "parquet"}
            if codec := metadata["properties"].get("write.parquet.compression-codec"):
                own["write_compression"] = codec
            location, properties = metadata["location"], own
        else:
            serde = found["StorageDescriptor"]["SerdeInfo"]
            lines += ["ROW FORMAT SERDE", f"  {_quoted(serde['SerializationLibrary'])}"]
            if settings := {k: v for k, v in serde.get("Parameters", {}).items() if k != "serialization.format"}:
                lines.append(
                    f"WITH SERDEPROPERTIES ({', '.join(f'{_quoted(k)}={_quoted(v)}' for k, v in settings.items())})"
                )
            location = found["StorageDescriptor"]["Location"]
            properties = {k: v for k, v in (found.get("Parameters") or {}).items() if k != "EXTERNAL"}
        lines += ["LOCATION", f"  {_quoted(location)}"]
        if properties:
            pairs = ",\n".join(f"  {_quoted(k)}={_quoted(v)}" for k, v in properties.items())
            lines += ["TBLPROPERTIES (", *(pairs + ")").split("\n")]
        return lines


def is_iceberg(table: dict) -> bool:
    """Whether a table of the Glue Data Catalog is an Iceberg table."""
    return (table.get("Parameters") or {}).get("table_type", "").upper() == "ICEBERG"


def view_definition(table: dict) -> dict:
    """What a view of the Glue Data Catalog holds (originalSql, schema, columns); raises ``QueryFailed``."""
    found = _VIEW.search(table.get("ViewOriginalText") or "")
    if not found:
        raise NotSupported("a view that was not created by Athena")
    return json.loads(base64.b64decode(found[1]))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def _instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _rows(types: dict[str, exp.DataType], rows: list[list]) -> dict:
    columns = [(name, kind.sql(dialect="duckdb")) for name, kind in types.items()]
    return {"kind": "rows", "columns": columns, "rows": rows, "locations": [], "bytes": 0}


def _snapshot(metadata: dict, version: exp.Version) -> dict:
    value = version.expression
    snapshots = {s["snapshot-id"]: s for s in metadata.get("snapshots") or []}
    if version.this == "VERSION":
        if not (isinstance(value, exp.Literal) and value.this.isdigit()):
            raise NotSupported("FOR VERSION AS OF anything but a snapshot id")
        if int(value.this) not in snapshots:
            raise QueryFailed(f"INVALID_ARGUMENTS: Iceberg snapshot ID does not exists: {value.this}")
        return snapshots[int(value.this)]
    text = value.this.name if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal) else None
    try:
        instant = datetime.fromisoformat(re.sub(r" UTC$", "+00:00", text or ""))
    except ValueError:
        raise NotSupported("FOR TIMESTAMP AS OF anything but a timestamp literal (in UTC)") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    past = [e for e in metadata.get("snapshot-log") or [] if e["timestamp-ms"] <= instant.timestamp() * 1000]
    if not past:
        raise QueryFailed(f"INVALID_ARGUMENTS: No version history table at or before {instant.isoformat()}")
    return snapshots[max(past, key=lambda e: e["timestamp-ms"])["snapshot-id"]]


def _properties(statement: exp.Create) -> dict:
    """A CREATE statement's clauses by name; what is not known here is refused."""
    found: dict[str, Any] = {"properties": {}}
    clauses = statement.args.get("properties")
    for clause in clauses.expressions if clauses else ():
        if isinstance(clause, exp.ExternalProperty):
            found["external"] = True
        elif isinstance(clause, exp.SchemaCommentProperty):
            found["comment"] = clause.name
        elif isinstance(clause, exp.LocationProperty):
            found["location"] = clause.name
        elif isinstance(clause, exp.PartitionedByProperty):
            found["partitions"] = clause.this.expressions
        elif isinstance(clause, exp.RowFormatSerdeProperty):
            found["serde"] = clause.name
            settings = clause.args.get("serde_properties")
            found["serde_properties"] = (
                {p.this.name: p.args["value"].name for p in settings.expressions} if settings else {}
            )
        elif isinstance(clause, exp.SerdeProperties):
            found["serde_properties"] = {p.this.name: p.args["value"].name for p in clause.expressions}
        elif isinstance(clause, exp.FileFormatProperty) and isinstance(clause.this, exp.InputOutputFormat):
            found["input_format"] = clause.this.args["input_format"].name
        elif type(clause) is exp.Property:
            found["properties"][clause.this.name] = clause.args["value"].name
        else:
            raise NotSupported(f"{clause.key} in CREATE")
    if (
        found.get("input_format", "org.apache.hadoop.mapred.TextInputFormat")
        != "org.apache.hadoop.mapred.TextInputFormat"
    ):
        raise NotSupported(f"INPUTFORMAT '{found['input_format']}'")
    return found


def _only(properties: dict, known: set[str], statement: str) -> None:
    for key in properties:
        if key not in known:
            raise NotSupported(f"{key} in {statement}")


def _column(column: exp.Expression) -> dict:
    if not isinstance(column, exp.ColumnDef) or column.args.get("kind") is None:
        raise NotSupported(f"the column {column.sql(dialect='athena')}")
    found = {"Name": column.name.lower(), "Type": hive_name(column.args["kind"])}
    for constraint in column.args.get("constraints") or ():
        if not isinstance(constraint.kind, exp.CommentColumnConstraint):
            raise NotSupported(constraint.sql(dialect="athena"))
        found["Comment"] = constraint.kind.name
    return found


_HIVE_NAMES = {"TEXT": "string", "VARCHAR": "string", "TIMESTAMPTZ": "timestamp with time zone"}


def hive_name(kind: exp.DataType) -> str:
    """The Glue Data Catalog's name of a type; raises ``QueryFailed``."""
    name = kind.this.name
    if name in ("ARRAY", "LIST"):
        return f"array<{hive_name(kind.expressions[0])}>"
    if name == "MAP":
        return "map<" + ",".join(map(hive_name, kind.expressions)) + ">"
    if name == "STRUCT":
        return "struct<" + ",".join(f"{f.name.lower()}:{hive_name(f.args['kind'])}" for f in kind.expressions) + ">"
    if name == "DECIMAL":
        sizes = [size.name for size in kind.expressions] or ["10"]
        return f"decimal({sizes[0]},{sizes[1] if len(sizes) > 1 else 0})"
    if name in ("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "BINARY"):
        return name.lower()
    if name in _HIVE_NAMES and not kind.expressions:
        return _HIVE_NAMES[name]
    raise NotSupported(f"the type {kind.sql(dialect='athena')}")


def _iceberg_type(kind: exp.DataType, number: Any) -> Any:
    from pyiceberg import types

    name = kind.this.name
    if name in ("ARRAY", "LIST"):
        return types.ListType(next(number), _iceberg_type(kind.expressions[0], number), element_required=False)
    if name == "MAP":
        key, value = kind.expressions
        ids = next(number), next(number)
        return types.MapType(
            ids[0], _iceberg_type(key, number), ids[1], _iceberg_type(value, number), value_required=False
        )
    if name == "STRUCT":
        return types.StructType(
            *(types.NestedField(next(number), f.name, _iceberg_type(f.args["kind"], number)) for f in kind.expressions)
        )
    if name == "DECIMAL":
        return types.DecimalType(*(int(size.name) for size in kind.expressions))
    simple = {
        "BOOLEAN": types.BooleanType,
        "INT": types.IntegerType,
        "BIGINT": types.LongType,
        "FLOAT": types.FloatType,
        "DOUBLE": types.DoubleType,
        "DATE": types.DateType,
        "TIMESTAMP": types.TimestampType,
        "TEXT": types.StringType,
        "BINARY": types.BinaryType,
    }
    if name not in simple:
        raise NotSupported(f"the type {name.lower()} in Iceberg tables")
    return simple[name]()


def _partition(part: exp.Expression) -> tuple[str, Any, str]:
    """A PARTITIONED BY element: the source column, pyiceberg's transform, the partition field's name."""
    from pyiceberg import transforms

    column = part.find(exp.Column) or part.find(exp.Identifier) or part
    source = column.name.lower()
    if isinstance(part, exp.Identifier | exp.Column):
        return source, transforms.IdentityTransform(), source
    if isinstance(part, exp.PartitionedByBucket):
        # bucket(16, c) and bucket(c, 16) parse alike
        return source, transforms.BucketTransform(int(part.find(exp.Literal).name)), f"{source}_bucket"
    if isinstance(part, exp.PartitionByTruncate):
        return source, transforms.TruncateTransform(int(part.find(exp.Literal).name)), f"{source}_trunc"
    named = {
        "year": transforms.YearTransform,
        "month": transforms.MonthTransform,
        "day": transforms.DayTransform,
        "hour": transforms.HourTransform,
    }
    function = (part.name if isinstance(part, exp.Anonymous) else part.key).lower()
    if function not in named:
        raise NotSupported(f"PARTITIONED BY {part.sql(dialect='athena')}")
    return source, named[function](), f"{source}_{function}"


def _partition_texts(metadata: dict) -> list[str]:
    schema = next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])
    names = {field["id"]: field["name"] for field in schema["fields"]}
    spec = next(s for s in metadata["partition-specs"] if s["spec-id"] == metadata["default-spec-id"])
    texts = []
    for part in spec["fields"]:
        column, transform = names.get(part["source-id"], "?"), part["transform"]
        if transform == "void":
            continue
        if found := re.fullmatch(r"(\w+)\[(\d+)\]", transform):
            texts.append(f"{found[1]}({found[2]}, {column})")
        else:
            texts.append(column if transform == "identity" else f"{transform}({column})")
    return texts
