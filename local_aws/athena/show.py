"""SHOW and DESCRIBE, which sqlglot does not parse: found in the text, answered as lines of text."""

import re
from typing import TYPE_CHECKING

from local_aws.athena.catalog import Catalog, Described, is_iceberg
from local_aws.athena.errors import NotSupported

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

_NAME = r"(?:[\w$]+|`[^`]+`|\"[^\"]+\")"
_QUALIFIED = rf"(?:(?P<database>{_NAME})\.)?(?P<table>{_NAME})"


def show(catalog: Catalog, sql: str, database: str) -> list[str]:
    """The lines that answer the statement; raises ``QueryFailed``. Blocks as the catalog does."""
    text = re.sub(r"\s*;\s*$", "", sql.strip())
    for pattern, answer in _STATEMENTS.items():
        if match := re.fullmatch(pattern, text, re.IGNORECASE):
            names = {key: value and value.strip('`"') for key, value in match.groupdict().items()}
            like = re.compile((names.get("like") or "*").replace("*", ".*").replace("%", ".*"), re.IGNORECASE)
            place = (names.get("database") or database).lower()
            return answer(catalog, place, (names.get("table") or "").lower(), like)
    raise NotSupported(text.split()[0].upper() if text else "an empty statement")


def _databases(catalog: Catalog, database: str, table: str, like: re.Pattern[str]) -> list[str]:
    return [item["Name"] for item in catalog.databases() if like.fullmatch(item["Name"])]


def _tables(catalog: Catalog, database: str, table: str, like: re.Pattern[str]) -> list[str]:
    return [item["Name"] for item in catalog.tables(database) if like.fullmatch(item["Name"])]


def _columns(catalog: Catalog, database: str, table: str, like: re.Pattern[str]) -> list[str]:
    return [column["Name"] for column in catalog.columns(catalog.existing(database, table))]


def _properties(catalog: Catalog, database: str, table: str, like: re.Pattern[str]) -> list[str]:
    parameters = catalog.existing(database, table).get("Parameters") or {}
    return [f"{name}\t{value}" for name, value in sorted(parameters.items())]


def _describe(catalog: Catalog, database: str, table: str, like: re.Pattern[str]) -> list[str]:
    """A line for each column, its name, type and comment padded as Hive pads them."""
    columns = catalog.columns(catalog.existing(database, table))
    return [f"{c['Name']:<20}\t{c['Type']:<20}\t{c.get('Comment') or '':<20}" for c in columns]


def _create_table(catalog: Catalog, database: str, table: str, like: re.Pattern[str]) -> list[str]:
    described = catalog.existing(database, table)
    iceberg = catalog.iceberg_table(described) if is_iceberg(described) else None
    quote = "" if iceberg else "`"
    columns = [
        f"  {quote}{c['Name']}{quote} {c['Type']}" + (f" COMMENT {_quoted(c['Comment'])}" if c.get("Comment") else "")
        for c in catalog.columns(described)
    ]
    name = f"{quote}{described['DatabaseName']}{quote}.{quote}{described['Name']}{quote}"
    lines = [f"CREATE {'' if iceberg else 'EXTERNAL '}TABLE {name}(", *(",\n".join(columns) + ")").split("\n")]
    if comment := described.get("Description") or (described.get("Parameters") or {}).get("comment"):
        lines.append(f"COMMENT {_quoted(comment)}")
    storage, location, properties = _of_iceberg(iceberg) if iceberg else _of_external(described)
    lines += [*storage, "LOCATION", f"  {_quoted(location)}"]
    if properties:
        pairs = ",\n".join(f"  {_quoted(key)}={_quoted(value)}" for key, value in properties.items())
        lines += ["TBLPROPERTIES (", *(pairs + ")").split("\n")]
    return lines


def _of_iceberg(table: "IcebergTable") -> tuple[list[str], str, dict[str, str]]:
    """The lines before LOCATION, the location and the properties."""
    parts = _partitions(table)
    lines = [f"PARTITIONED BY ({', '.join(f'`{p}`' if p.isidentifier() else p for p in parts)})"] if parts else []
    properties = {"table_type": "iceberg", "format": "parquet"}
    if codec := table.properties.get("write.parquet.compression-codec"):
        properties["write_compression"] = codec
    return lines, table.location(), properties


def _of_external(table: Described) -> tuple[list[str], str, dict[str, str]]:
    serde = table["StorageDescriptor"]["SerdeInfo"]
    lines = ["ROW FORMAT SERDE", f"  {_quoted(serde['SerializationLibrary'])}"]
    settings = {key: value for key, value in serde.get("Parameters", {}).items() if key != "serialization.format"}
    if settings:
        pairs = ", ".join(f"{_quoted(key)}={_quoted(value)}" for key, value in settings.items())
        lines.append(f"WITH SERDEPROPERTIES ({pairs})")
    properties = {key: value for key, value in (table.get("Parameters") or {}).items() if key != "EXTERNAL"}
    return lines, table["StorageDescriptor"]["Location"], properties


def _partitions(table: "IcebergTable") -> list[str]:
    texts = []
    for field in table.spec().fields:
        column, transform = table.schema().find_column_name(field.source_id) or "?", str(field.transform)
        if sized := re.fullmatch(r"(\w+)\[(\d+)\]", transform):
            texts.append(f"{sized[1]}({sized[2]}, {column})")
        elif transform != "void":
            texts.append(column if transform == "identity" else f"{transform}({column})")
    return texts


def _quoted(text: str) -> str:
    visible = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", text.replace("\\", "\\\\"))
    return "'" + visible.replace("'", "\\'") + "'"


_STATEMENTS = {
    r"show\s+(?:databases|schemas)(?:\s+like\s+'(?P<like>[^']*)')?": _databases,
    rf"show\s+tables(?:\s+in\s+(?P<database>{_NAME}))?(?:\s+'(?P<like>[^']*)')?": _tables,
    rf"show\s+columns\s+(?:in|from)\s+{_QUALIFIED}": _columns,
    rf"show\s+create\s+table\s+{_QUALIFIED}": _create_table,
    rf"show\s+tblproperties\s+{_QUALIFIED}": _properties,
    rf"(?:describe|desc)\s+{_QUALIFIED}": _describe,
}
