"""The clauses of a CREATE statement, as Glue's Data Catalog and Iceberg take them; what is unknown is refused."""

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from local_aws.athena.catalog import LAZY_SIMPLE
from local_aws.athena.errors import NotSupported, QueryFailed
from local_aws.athena.types import hive_name

if TYPE_CHECKING:
    from pyiceberg.transforms import Transform

TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "lz4": "lz4", "none": "uncompressed"}
_KEPT_PROPERTIES = ("vacuum_", "optimize_", "write_target_data_file_size")

Properties = dict[str, Any]


def properties_of(statement: exp.Create) -> Properties:
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
        elif isinstance(clause, exp.FileFormatProperty) and clause.name.upper() == "TEXTFILE":
            properties["input_format"] = TEXT_INPUT
        elif isinstance(clause, exp.RowFormatDelimitedProperty):
            properties["serde"] = LAZY_SIMPLE
            properties["serde_properties"] = _delimiters(clause)
        elif type(clause) is exp.Property:
            properties["properties"][clause.this.name] = clause.args["value"].name
        else:
            raise NotSupported(f"{clause.key} in CREATE")
    if properties.get("input_format", TEXT_INPUT) != TEXT_INPUT:
        raise NotSupported(f"INPUTFORMAT '{properties['input_format']}'")
    return properties


def _delimiters(clause: exp.RowFormatDelimitedProperty) -> dict[str, str]:
    """ROW FORMAT DELIMITED as Hive keeps it."""
    keys = {"fields": "field.delim", "lines": "line.delim", "null": "serialization.null.format"}
    for part, value in clause.args.items():
        if value is not None and part not in keys:
            raise NotSupported(f"{part.upper()} in ROW FORMAT DELIMITED")
    settings = {key: clause.args[part].name for part, key in keys.items() if clause.args.get(part)}
    return settings | ({"serialization.format": settings["field.delim"]} if "field.delim" in settings else {})


def _pairs(settings: exp.Expr | None) -> dict[str, str]:
    return {pair.this.name: pair.args["value"].name for pair in settings.expressions} if settings else {}


def only(properties: Properties, known: set[str], statement: str) -> None:
    for key in properties:
        if key not in known:
            raise NotSupported(f"{key} in {statement}")


def column_of(column: exp.Expr) -> dict[str, str]:
    if not isinstance(column, exp.ColumnDef) or column.args.get("kind") is None:
        raise NotSupported(f"the column {column.sql(dialect='athena')}")
    described = {"Name": column.name.lower(), "Type": hive_name(column.args["kind"])}
    for constraint in column.args.get("constraints") or ():
        if not isinstance(constraint.kind, exp.CommentColumnConstraint):
            raise NotSupported(constraint.sql(dialect="athena"))
        described["Comment"] = constraint.kind.name
    return described


def iceberg_properties(properties: Properties) -> dict[str, str]:
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


def partition_of(part: exp.Expr) -> tuple[str, "Transform[Any, Any]", str]:
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
