"""What a query can read, as the translation sees it: the catalog makes these, and the engine reads their sources."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

CATALOG = "awsdatacatalog"


@dataclass(frozen=True)
class Table:
    """A table: its columns' types, and where the engine gets the rows (see ``engine.create_source``)."""

    columns: dict[str, exp.DataType]
    source: dict[str, Any]
    hidden: dict[str, exp.DataType] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """A view: Athena SQL, whose unqualified tables are in ``database``."""

    sql: str
    database: str


#: (database, table, version) -> what it is; version is None or FOR … AS OF. Raises ``QueryFailed``.
Resolve = Callable[[str, str, exp.Version | None], Table | View]
