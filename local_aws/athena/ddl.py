"""CREATE, DROP and ALTER on the Glue Data Catalog and Iceberg. Every other DDL is refused by name."""

import base64
import json
from collections.abc import Callable
from itertools import count
from typing import Any

from sqlglot import exp, tokenize
from sqlglot.tokenizer_core import TokenType

from local_aws.athena.catalog import LAZY_SIMPLE, OPENX, Catalog, is_iceberg, location_parts, text_delimiter
from local_aws.athena.clauses import (
    TEXT_INPUT,
    Properties,
    column_of,
    iceberg_properties,
    only,
    partition_of,
    properties_of,
)
from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.parse import parse
from local_aws.athena.tables import CATALOG
from local_aws.athena.translate import translate
from local_aws.athena.types import athena_type, data_type, hive_name, iceberg_type

_HIVE_FAILED = "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
#: What Glue takes back of a table's definition.
_TABLE_INPUT = ("Name", "Description", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")


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
        properties = properties_of(statement)
        only(properties, {"comment", "location", "properties"}, "CREATE DATABASE")
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
        """CREATE EXTERNAL TABLE of OpenX JSON or delimited text, or CREATE TABLE of Iceberg."""
        if not isinstance(statement.this, exp.Schema):
            raise NotSupported("CREATE TABLE AS SELECT")
        database, name = self._names(statement.this.this)
        self.catalog.existing_database(database)
        properties = properties_of(statement)
        columns = [column_of(column) for column in statement.this.expressions]
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
        (self._create_external if external else self._create_iceberg)(database, name, columns, properties)

    def _create_external(self, database: str, name: str, columns: list[dict[str, str]], properties: Properties) -> None:
        known = {"comment", "location", "properties", "serde", "serde_properties", "partitions", "input_format"}
        only(properties, known, "CREATE EXTERNAL TABLE")
        serde, settings = properties.get("serde", LAZY_SIMPLE), properties.get("serde_properties", {})
        if serde == LAZY_SIMPLE:
            text_delimiter(settings, properties["properties"])
            if other := next((column for column in columns if column["Type"] != "string"), None):
                raise NotSupported(f"columns of type {other['Type']} in delimited text ({other['Name']})")
        elif serde != OPENX:
            raise NotSupported(f"CREATE EXTERNAL TABLE with the SerDe {serde}")
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
                "InputFormat": TEXT_INPUT,
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": serde,
                    "Parameters": {"serialization.format": "1", **settings},
                },
            },
        }
        self.glue.create_table(DatabaseName=database, TableInput=table)

    def _create_iceberg(self, database: str, name: str, columns: list[dict[str, str]], properties: Properties) -> None:
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.types import NestedField

        only(properties, {"comment", "location", "properties", "partitions"}, "CREATE TABLE")
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
        for source, transform, label in map(partition_of, properties.get("partitions", ())):
            if source not in sources:
                raise QueryFailed(f"COLUMN_NOT_FOUND: line 1:1: Column '{source}' cannot be resolved")
            partitions.append(PartitionField(sources[source], 1000 + len(partitions), transform, label))
        location = properties["location"].rstrip("/")
        # As Athena does, by the old name of write.data.path, for which Iceberg 1.10 refuses to write.
        layout = {"write.object-storage.enabled": "true", "write.object-storage.path": f"{location}/data"}
        self.catalog.iceberg.create_table(
            (database, name),
            Schema(*fields),
            location=location,
            partition_spec=PartitionSpec(*partitions),
            properties=iceberg_properties(properties) | layout,
        )

    def add_columns(self, statement: exp.Alter) -> None:
        """ALTER TABLE … ADD COLUMNS (…)."""
        actions = statement.args.get("actions") or []
        # Athena writes the columns in parentheses.
        if len(actions) != 1 or not isinstance(actions[0], exp.Schema):
            raise NotSupported("ALTER TABLE other than ADD COLUMNS (…)")
        names, columns = self._names(statement.this), [column_of(column) for column in actions[0].expressions]
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
