"""The commands of the Makefile, and the generator of landing data: what a developer types."""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Airflow puts the DAG folder there for what the DAGs import.
if str(PROJECT / "dags") not in sys.path:
    sys.path.append(str(PROJECT / "dags"))
