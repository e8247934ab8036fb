"""What AWS bills for job runs and queries, by its rules and the settings' prices; an estimate."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stedi.settings import Settings

MB, TB = 10**6, 10**12
#: What a job run and a query are billed for at least.
JOB_SECONDS, QUERY_MB = 60, 10


class JobCost(NamedTuple):
    """What runs of a Glue job took, and what they cost."""

    seconds: float = 0
    dpu_seconds: float = 0
    dollars: float = 0


class QueryCost(NamedTuple):
    """What Athena scanned for queries, and what they cost."""

    queries: int = 0
    scanned: int = 0
    billed: int = 0
    dollars: float = 0


def job_cost(runs: Iterable[Mapping[str, Any]], settings: Settings) -> JobCost:
    """The cost of job runs, as Glue describes them; the time until a run starts is free."""
    total = JobCost()
    for run in runs:
        seconds, dpus = run.get("ExecutionTime", 0), run.get("MaxCapacity", 0)
        # Glue itself counts DPU-seconds of FLEX runs only, whose workers come one after the other.
        billed = max(run.get("DPUSeconds") or seconds * dpus, JOB_SECONDS * dpus) if seconds else 0
        flex = run.get("ExecutionClass") == "FLEX"
        price = settings.flex_dpu_hour_price if flex else settings.dpu_hour_price
        total = JobCost(total.seconds + seconds, total.dpu_seconds + billed, total.dollars + billed / 3600 * price)
    return total


def query_cost(scanned: Iterable[int], settings: Settings) -> QueryCost:
    """The cost of queries that scanned so many bytes each."""
    counts = list(scanned)
    billed = sum(max(math.ceil(count / MB), QUERY_MB) for count in counts) * MB
    return QueryCost(len(counts), sum(counts), billed, billed / TB * settings.athena_tb_price)
