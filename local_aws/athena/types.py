"""One type, four names: in the Glue Data Catalog (Hive's), in Iceberg's schemas, in Athena's SQL and in sqlglot."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from local_aws.athena.errors import NotSupported

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType

_ICEBERG_TO_HIVE = {"long": "bigint", "timestamptz": "timestamp with time zone", "uuid": "string", "time": "string"}
_SIMPLE_HIVE = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "BINARY"}
)
_HIVE_NAMES = {"TEXT": "string", "VARCHAR": "string", "TIMESTAMPTZ": "timestamp with time zone"}


def data_type(hive: str) -> exp.DataType:
    """A column's type from its name in the Glue Data Catalog."""
    if hive == "timestamp with time zone":
        return exp.DataType.build("timestamptz")
    return exp.DataType.build(hive, dialect="hive")


def iceberg_data_type(hive: str) -> exp.DataType:
    """The same of an Iceberg table's column: its times have microseconds."""
    kind = data_type(hive)
    if kind.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        kind.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(6))])
    return kind


def athena_type(hive: str) -> str:
    """A column's type as Athena's SQL names it."""
    return data_type(hive).sql(dialect="trino").lower()


def hive_name(kind: exp.DataType) -> str:
    """The Glue Data Catalog's name of a type; raises ``NotSupported``."""
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
    if name in _SIMPLE_HIVE:
        return str(name).lower()
    if name in _HIVE_NAMES and not (kind.expressions and name == "VARCHAR"):
        return _HIVE_NAMES[name]
    raise NotSupported(f"the type {kind.sql(dialect='athena')}")


def hive_type(kind: "IcebergType") -> str:
    """An Iceberg type in the Glue Data Catalog's words."""
    from pyiceberg.types import FixedType, ListType, MapType, StructType

    if isinstance(kind, ListType):
        return f"array<{hive_type(kind.element_type)}>"
    if isinstance(kind, MapType):
        return f"map<{hive_type(kind.key_type)},{hive_type(kind.value_type)}>"
    if isinstance(kind, StructType):
        return "struct<" + ",".join(f"{field.name}:{hive_type(field.field_type)}" for field in kind.fields) + ">"
    name = str(kind).replace(" ", "")
    return "binary" if isinstance(kind, FixedType) else _ICEBERG_TO_HIVE.get(name, name)


def iceberg_type(kind: exp.DataType, ids: Iterator[int]) -> "IcebergType":
    """A type of Athena's SQL for an Iceberg schema; ``ids`` numbers the fields in it. Raises ``NotSupported``."""
    from pyiceberg import types

    name = kind.this.name
    if name in ("ARRAY", "LIST"):
        return types.ListType(next(ids), iceberg_type(kind.expressions[0], ids), element_required=False)
    if name == "MAP":
        key, value = next(ids), next(ids)
        inner = [iceberg_type(expression, ids) for expression in kind.expressions]
        return types.MapType(key, inner[0], value, inner[1], value_required=False)
    if name == "STRUCT":
        fields = (types.NestedField(next(ids), f.name, iceberg_type(f.args["kind"], ids)) for f in kind.expressions)
        return types.StructType(*fields)
    if name == "DECIMAL":
        return types.DecimalType(*(int(size.name) for size in kind.expressions))
    simple: dict[str, type[IcebergType]] = {
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
