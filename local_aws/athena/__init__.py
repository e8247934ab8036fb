"""The local Athena API: Athena's statements on DuckDB, the Glue Data Catalog and Iceberg."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Lazy, because each query's engine process imports this package and must not pay for boto3 and sqlglot.
    if name == "AthenaApi":
        from local_aws.athena.api import AthenaApi

        return AthenaApi
    raise AttributeError(name)
