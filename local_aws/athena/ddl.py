"""CREATE, DROP and ALTER on the Glue Data Catalog and Iceberg. Every other DDL is refused by name."""

import base64
import json
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlglot import exp, tokenize
from sqlglot.tokenizer_core import TokenType

from local_aws.athena.catalog import OPENX, Catalog, is_iceberg, location_parts
from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.parse import parse
from local_aws.athena.tables import CATALOG
from local_aws.athena.translate import translate
from local_aws.athena.types import athena_type, data_type, hive_name, iceberg_type

if TYPE_CHECKING:
    from pyiceberg.transforms import Transform

_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_HIVE_FAILED = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
_CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "lz4": "lz4", "none": "uncompressed"}
_KEPT_PROPERTIES = ("vacuum_", "optimize_", "write_target_data_file_size")
#: What Glue takes back of a table's definition.
_TABLE_INPUT = ("Name", "Description", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")

Properties = dict[str, Any]


class Ddl:
    """Carries out one statement in the place of ``database``; raises ``QueryFailed``. Blocks as the catalog does."""

    def __init__(self, catalog: Catalog, database: str, sql: str) -> None:
        self.catalog = catalog
        self.glue = catalog.glue
        self.database = database
        self.sql = sql

    def run(self, statement: exp.Create | exp.Drop | exp.Alter) -> None:
        kind = str(statement.args.get("kind") or "").upper()
        actions: dict[tuple[type[exp.Expr], str], Callable[[Any], None]] = {
            (exp.Create, "DATABASE"): self.create_database,
            (exp.Create, "SCHEMA"): self.create_database,
            (exp.Create, "TABLE"): self.create_table,
            (exp.Create, "VIEW"): self.create_view,
            (exp.Drop, "DATABASE"): self.drop_database,
            (exp.Drop, "SCHEMA"): self.drop_database,
            (exp.Drop, "TABLE"): self.drop_table,
            (exp.Drop, "VIEW"): self.drop_table,
            (exp.Alter, "TABLE"): self.add_columns,
        }
        if (type(statement), kind) not in actions:
            raise NotSupported(f"{statement.key.upper()} {kind}".strip())
        actions[type(statement), kind](statement)

    def _names(self, table: exp.Expr) -> tuple[str, str]:
        """The database and the name of a table, in lower case."""
        return (table.text("db") or self.database).lower(), table.name.lower()

    # --- databases ---

    def create_database(self, statement: exp.Create) -> None:
        """COMMENT and LOCATION are kept."""
        properties = _properties(statement)
        _only(properties, {"comment", "location", "properties"}, "CREATE DATABASE")
        name = statement.this.name.lower()
        keys = {"comment": "Description", "location": "LocationUri", "properties": "Parameters"}
        described = {keys[key]: value for key, value in properties.items() if value}
        try:
            self.glue.create_database(DatabaseInput={"Name": name, **described})
        except self.glue.exceptions.AlreadyExistsException:
            if not statement.args.get("exists"):
                message = f"AlreadyExistsException(message:Database {name} already exists)"
                raise QueryFailed(_HIVE_FAILED + message) from None

    def drop_database(self, statement: exp.Drop) -> None:
        """With tables in it only CASCADE, which drops them as DROP TABLE does."""
        name = statement.args["tables"][0].name.lower()
        try:
            tables = self.catalog.tables(name)
        except QueryFailed:
            if statement.args.get("exists"):
                return
            raise QueryFailed(f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}") from None
        if tables and not statement.args.get("cascade"):
            message = f"InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
            raise QueryFailed(_HIVE_FAILED + message)
        for table in tables:
            self._drop(table)
        self.glue.delete_database(Name=name)

    # --- tables ---

    def create_table(self, statement: exp.Create) -> None:
        """CREATE EXTERNAL TABLE of OpenX JSON, or CREATE TABLE of Iceberg."""
        if not isinstance(statement.this, exp.Schema):
            raise NotSupported("CREATE TABLE AS SELECT")
        database, name = self._names(statement.this.this)
        self.catalog.existing_database(database)
        properties = _properties(statement)
        columns = [_column(column) for column in statement.this.expressions]
        if len({column["Name"] for column in columns}) < len(columns):
            raise QueryFailed("FAILED: SemanticException [Error 10036]: Duplicate column name")
        if "location" not in properties:
            raise QueryFailed("INVALID_TABLE_PROPERTY: A table needs a LOCATION")
        location_parts(properties["location"])
        external = properties.pop("external", False)
        if external == (properties["properties"].get("table_type", "").upper() == "ICEBERG"):
            raise NotSupported(
                "CREATE EXTERNAL TABLE of Iceberg" if external else "CREATE TABLE that is neither EXTERNAL nor Iceberg"
            )
        if self.catalog.glue_table(database, name):
            if statement.args.get("exists"):
                return
            raise QueryFailed(_HIVE_FAILED + f"AlreadyExistsException(message:Table {name} already exists.)")
        (self._create_json if external else self._create_iceberg)(database, name, columns, properties)

    def _create_json(self, database: str, name: str, columns: list[dict[str, str]], properties: Properties) -> None:
        known = {"comment", "location", "properties", "serde", "serde_properties", "partitions", "input_format"}
        _only(properties, known, "CREATE EXTERNAL TABLE")
        if properties.get("serde") != OPENX:
            raise NotSupported(f"CREATE EXTERNAL TABLE with anything but ROW FORMAT SERDE '{OPENX}'")
        if properties.get("partitions"):
            raise NotSupported("PARTITIONED BY for external tables")
        table = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Description": properties.get("comment", ""),
            "PartitionKeys": [],
            "Parameters": {"EXTERNAL": "TRUE", **properties["properties"]},
            "StorageDescriptor": {
                "Columns": columns,
                "Location": properties["location"],
                "InputFormat": _TEXT_INPUT,
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": OPENX,
                    "Parameters": {"serialization.format": "1", **properties.get("serde_properties", {})},
                },
            },
        }
        self.glue.create_table(DatabaseName=database, TableInput=table)

    def _create_iceberg(self, database: str, name: str, columns: list[dict[str, str]], properties: Properties) -> None:
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.types import NestedField

        _only(properties, {"comment", "location", "properties", "partitions"}, "CREATE TABLE")
        ids = count(1)
        fields = [
            NestedField(
                next(ids),
                column["Name"],
                iceberg_type(data_type(column["Type"]), ids),
                doc=column.get("Comment"),
            )
            for column in columns
        ]
        sources = {field.name: field.field_id for field in fields}
        partitions: list[PartitionField] = []
        for source, transform, label in map(_partition, properties.get("partitions", ())):
            if source not in sources:
                raise QueryFailed(f"COLUMN_NOT_FOUND: line 1:1: Column '{source}' cannot be resolved")
            partitions.append(PartitionField(sources[source], 1000 + len(partitions), transform, label))
        self.catalog.iceberg.create_table(
            (database, name),
            Schema(*fields),
            location=properties["location"].rstrip("/"),
            partition_spec=PartitionSpec(*partitions),
            properties=_iceberg_properties(properties),
        )

    def add_columns(self, statement: exp.Alter) -> None:
        """ALTER TABLE … ADD COLUMNS (…)."""
        actions = statement.args.get("actions") or []
        # Athena writes the columns in parentheses.
        if len(actions) != 1 or not isinstance(actions[0], exp.Schema):
            raise NotSupported("ALTER TABLE other than ADD COLUMNS (…)")
        names, columns = self._names(statement.this), [_column(column) for column in actions[0].expressions]
        table = self.catalog.existing(*names)
        if not is_iceberg(table):
            self._add_external_columns(table, columns)
            return
        ids = count(100_000)
        with self.catalog.iceberg.load_table(names).update_schema() as update:
            for column in columns:
                kind = iceberg_type(data_type(column["Type"]), ids)
                update.add_column(column["Name"], kind, doc=column.get("Comment"))

    def _add_external_columns(self, table: dict[str, Any], columns: list[dict[str, Any]]) -> None:
        if table.get("TableType") == "VIRTUAL_VIEW":
            raise QueryFailed(f"FAILED: SemanticException: {table['Name']} is not a table")
        there = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
        if repeated := [column["Name"] for column in columns if column["Name"] in there]:
            raise QueryFailed(f"{_HIVE_FAILED}Duplicate column name: {repeated[0]}")
        definition = {key: table[key] for key in _TABLE_INPUT if key in table}
        storage = table["StorageDescriptor"]
        definition["StorageDescriptor"] = {**storage, "Columns": [*storage["Columns"], *columns]}
        self.glue.update_table(DatabaseName=table["DatabaseName"], TableInput=definition)

    def drop_table(self, statement: exp.Drop) -> None:
        """DROP TABLE and VIEW."""
        kind, exists = statement.args["kind"].upper(), statement.args.get("exists")
        database, name = self._names(statement.args["tables"][0])
        table = self.catalog.glue_table(database, name)
        if table is None:
            if exists:
                return
            raise QueryFailed(f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        if (table.get("TableType") == "VIRTUAL_VIEW") != (kind == "VIEW") and not exists:
            raise QueryFailed(f"FAILED: SemanticException: {database}.{name} is not a {kind.lower()}")
        self._drop(table)

    def _drop(self, table: dict[str, Any]) -> None:
        """An Iceberg table's files go too, as in Athena, an external table's stay."""
        self.glue.delete_table(DatabaseName=table["DatabaseName"], Name=table["Name"])
        if not is_iceberg(table):
            return
        metadata = table["Parameters"]["metadata_location"]
        location = table["StorageDescriptor"].get("Location") or metadata.rpartition("/metadata/")[0]
        bucket, prefix = location_parts(location)
        if prefix:
            for page in self.catalog.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
                    self.catalog.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    # --- views ---

    def create_view(self, statement: exp.Create) -> None:
        """Kept in the Glue Data Catalog as Athena keeps it: the text itself, not what a parser makes of it."""
        if isinstance(statement.this, exp.Schema):
            raise NotSupported("CREATE VIEW with a list of columns")
        if statement.args.get("exists"):
            raise NotSupported("CREATE VIEW IF NOT EXISTS")
        begin = next(token.end for token in tokenize(self.sql, read="athena") if token.token_type == TokenType.ALIAS)
        sql = self.sql[begin + 1 :].strip().rstrip(";")
        query = translate(parse(sql), sql, self.database, self.catalog.resolve)
        columns = [(name, hive_name(kind)) for name, kind in zip(query.names, query.types, strict=True)]
        database, name = self._names(statement.this)
        present = self.catalog.glue_table(database, name)
        if present and not (statement.args.get("replace") and present.get("TableType") == "VIRTUAL_VIEW"):
            raise QueryFailed(f"ALREADY_EXISTS: line 1:1: View already exists: '{CATALOG}.{database}.{name}'")
        definition = {
            "originalSql": sql,
            "catalog": CATALOG,
            "schema": database,
            "columns": [{"name": column, "type": athena_type(kind)} for column, kind in columns],
        }
        encoded = base64.b64encode(json.dumps(definition).encode()).decode()
        table = {
            "Name": name,
            "TableType": "VIRTUAL_VIEW",
            "PartitionKeys": [],
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": f"/* Presto View: {encoded} */",
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {
                "Columns": [{"Name": column, "Type": kind} for column, kind in columns],
                "Location": "",
            },
        }
        (self.glue.update_table if present else self.glue.create_table)(DatabaseName=database, TableInput=table)


# --- the parts of a CREATE statement ---


def _properties(statement: exp.Create) -> Properties:
    """A CREATE statement's clauses by name; what is not known here is refused."""
    properties: Properties = {"properties": {}}
    clauses = statement.args.get("properties")
    for clause in clauses.expressions if clauses else ():
        if isinstance(clause, exp.ExternalProperty):
            properties["external"] = True
        elif isinstance(clause, exp.SchemaCommentProperty):
            properties["comment"] = clause.name
        elif isinstance(clause, exp.LocationProperty):
            properties["location"] = clause.name
        elif isinstance(clause, exp.PartitionedByProperty):
            properties["partitions"] = clause.this.expressions
        elif isinstance(clause, exp.RowFormatSerdeProperty):
            properties["serde"] = clause.name
            properties["serde_properties"] = _pairs(clause.args.get("serde_properties"))
        elif isinstance(clause, exp.SerdeProperties):
            properties["serde_properties"] = _pairs(clause)
        elif isinstance(clause, exp.FileFormatProperty) and isinstance(clause.this, exp.InputOutputFormat):
            properties["input_format"] = clause.this.args["input_format"].name
        elif type(clause) is exp.Property:
            properties["properties"][clause.this.name] = clause.args["value"].name
        else:
            raise NotSupported(f"{clause.key} in CREATE")
    if properties.get("input_format", _TEXT_INPUT) != _TEXT_INPUT:
        raise NotSupported(f"INPUTFORMAT '{properties['input_format']}'")
    return properties


def _pairs(settings: exp.Expr | None) -> dict[str, str]:
    return {pair.this.name: pair.args["value"].name for pair in settings.expressions} if settings else {}


def _only(properties: Properties, known: set[str], statement: str) -> None:
    for key in properties:
        if key not in known:
            raise NotSupported(f"{key} in {statement}")


def _column(column: exp.Expr) -> dict[str, str]:
    if not isinstance(column, exp.ColumnDef) or column.args.get("kind") is None:
        raise NotSupported(f"the column {column.sql(dialect='athena')}")
    described = {"Name": column.name.lower(), "Type": hive_name(column.args["kind"])}
    for constraint in column.args.get("constraints") or ():
        if not isinstance(constraint.kind, exp.CommentColumnConstraint):
            raise NotSupported(constraint.sql(dialect="athena"))
        described["Comment"] = constraint.kind.name
    return described


def _iceberg_properties(properties: Properties) -> dict[str, str]:
    """The table's properties as Iceberg names them."""
    known = {"format-version": "2"}
    if "comment" in properties:
        known |= {"comment": properties["comment"], "Description": properties["comment"]}
    for key, value in properties["properties"].items():
        if key == "table_type" or (key == "format_version" and value == "2"):
            continue
        if key == "format" and value.lower() == "parquet":
            known["write.format.default"] = "parquet"
        elif key == "write_compression" and value.lower() in _CODECS:
            known["write.parquet.compression-codec"] = _CODECS[value.lower()]
        elif key.startswith(_KEPT_PROPERTIES):
            known[key] = value
        else:
            raise QueryFailed(f"INVALID_TABLE_PROPERTY: Unsupported table property key or value: {key} = {value}")
    return known


def _partition(part: exp.Expr) -> tuple[str, "Transform[Any, Any]", str]:
    """A PARTITIONED BY element: the source column, its transform, the partition field's name."""
    from pyiceberg.transforms import parse_transform

    source = (part.find(exp.Column) or part.find(exp.Identifier) or part).name.lower()
    if isinstance(part, exp.Identifier | exp.Column):
        return source, parse_transform("identity"), source
    sized: dict[type[exp.Expr], tuple[str, str]] = {
        exp.PartitionedByBucket: ("bucket", "bucket"),
        exp.PartitionByTruncate: ("truncate", "trunc"),
    }
    if type(part) in sized:
        name, label = sized[type(part)]
        size = part.find(exp.Literal)  # bucket(16, c) and bucket(c, 16) parse alike
        return source, parse_transform(f"{name}[{size.name if size else ''}]"), f"{source}_{label}"
    name = (part.name if isinstance(part, exp.Anonymous) else part.key).lower()
    if name not in ("year", "month", "day", "hour"):
        raise NotSupported(f"PARTITIONED BY {part.sql(dialect='athena')}")
    return source, parse_transform(name), f"{source}_{name}"
