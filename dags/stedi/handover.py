"""Deletes what the jobs of a run hand over to each other, once the run has ended."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

#: The jobs write below ``handover/<run id>/``; lakehouse.job says how a run id becomes a name.
PREFIX = "handover/"


def delete_handovers(s3: Any, bucket: str, *, keep: Callable[[str], bool]) -> list[str]:
    """Deletes the handovers of all runs but those that ``keep`` (run id -> bool) names; returns the run ids.

    ``s3`` is a boto3 client.
    """
    deleted = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX, Delimiter="/"):
        for folder in (entry["Prefix"] for entry in page.get("CommonPrefixes", [])):
            run_id = unquote(folder.removeprefix(PREFIX).rstrip("/").replace("@", "%"))
            if keep(run_id):
                continue
            for objects in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
                keys = [{"Key": item["Key"]} for item in objects.get("Contents", [])]
                if keys:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            deleted.append(run_id)
    return deleted
