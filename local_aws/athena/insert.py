"""INSERT INTO an Iceberg table: what the engine computed goes in with one commit."""

from pathlib import Path
from typing import Any

from sqlglot import exp

from local_aws.athena.catalog import Catalog, is_iceberg
from local_aws.athena.errors import NotSupported, QueryFailed


class Insert:
    """One INSERT statement; raises ``NotSupported`` for the forms of it that are not known here."""

    def __init__(self, statement: exp.Insert, database: str) -> None:
        if any(statement.args.get(part) for part in ("overwrite", "returning", "conflict")):
            raise NotSupported("this form of INSERT")
        target = statement.this
        has_columns = isinstance(target, exp.Schema)
        table = target.this if has_columns else target
        self.names = [column.name.lower() for column in target.expressions] if has_columns else None
        self.table = ((table.db or database).lower(), table.name.lower())
        self.query: exp.Expr = statement.expression

    def check(self, catalog: Catalog) -> None:
        """Raises ``QueryFailed`` if there is no such table, or it takes no rows."""
        if not is_iceberg(catalog.existing(*self.table)):
            raise NotSupported("INSERT INTO a table that is not Iceberg")

    def append(self, catalog: Catalog, rows: Path) -> int:
        """Appends the rows of an Arrow file, and says how many; raises ``QueryFailed`` where they do not fit."""
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        table = catalog.iceberg.load_table(self.table)
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        names = self.names or schema.names
        with pa.ipc.open_file(str(rows)) as reader:
            given = reader.read_all()
        unknown = [name for name in names if name not in schema.names]
        if unknown:
            message = f"Insert column name does not exist in target table: {unknown[0]}"
            raise QueryFailed(f"COLUMN_NOT_FOUND: line 1:1: {message}")
        if len(names) != given.num_columns:
            message = f"{given.num_columns} expression(s) but expected {len(names)} target column(s)"
            raise QueryFailed(f"TYPE_MISMATCH: line 1:1: Insert query has {message}")
        columns = []
        for field in schema:
            column = given.column(names.index(field.name)) if field.name in names else None
            if column is None or column.null_count == len(column):
                columns.append(pa.nulls(given.num_rows, field.type))
                continue
            if not _is_coercible(column.type, field.type):
                raise QueryFailed(
                    f"TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: Table: [{field.type}], "
                    f"Query: [{column.type}] (column {field.name})"
                )
            try:
                columns.append(column.cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise QueryFailed(f"INVALID_CAST_ARGUMENT: {field.name}: {error}") from None
        table.append(pa.table(columns, schema=schema))
        return int(given.num_rows)


def _is_coercible(given: Any, wanted: Any) -> bool:
    """Whether Trino lets a query's column (an Arrow type) into a table's without a cast."""
    import pyarrow.types as t

    if t.is_integer(given):
        wide_enough = t.is_integer(wanted) and given.bit_width <= wanted.bit_width
        return bool(wide_enough or t.is_decimal(wanted) or t.is_floating(wanted))
    if t.is_decimal(given):
        return bool(t.is_decimal(wanted) or t.is_floating(wanted))
    if t.is_floating(given):
        return bool(t.is_floating(wanted) and given.bit_width <= wanted.bit_width)
    if t.is_date(given):
        return bool(t.is_date(wanted) or t.is_timestamp(wanted))
    if t.is_timestamp(given):
        return bool(t.is_timestamp(wanted) and (given.tz is None) == (wanted.tz is None))
    texts, blobs, lists = (
        (t.is_string, t.is_large_string),
        (t.is_binary, t.is_large_binary),
        (t.is_list, t.is_large_list),
    )
    for same in (texts, blobs, (t.is_boolean,), lists, (t.is_map,), (t.is_struct,)):
        if any(is_(given) for is_ in same):
            return any(is_(wanted) for is_ in same)
    return False
