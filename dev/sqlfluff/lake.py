"""What the SQL templates find as `lake`, for sqlfluff: the DAG gives them the same names."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "dags"))

from stedi.tables import JOBS as jobs  # noqa: N811
from stedi.tables import LANDING_TABLES as landing  # noqa: N811
from stedi.tables import TABLES as tables  # noqa: N811
from stedi.tables import WRITTEN_TABLES as written  # noqa: N811

bucket, database = "bucket", "stedi"


def staged(table: str) -> str:
    """The table without its snapshot, which sqlfluff cannot parse."""
    return f"{database}.{table}"


__all__ = ["bucket", "database", "jobs", "landing", "staged", "tables", "written"]
