"""What the SQL templates find as `lake`, for sqlfluff: the DAG gives them the same names."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "dags"))

from stedi.tables import JOBS as jobs  # noqa: E402, N811
from stedi.tables import LANDING_TABLES as landing  # noqa: E402, N811
from stedi.tables import TABLES as tables  # noqa: E402, N811
from stedi.tables import WRITTEN_TABLES as written  # noqa: E402, N811

bucket, database = "bucket", "stedi"

__all__ = ["bucket", "database", "jobs", "landing", "tables", "written"]
