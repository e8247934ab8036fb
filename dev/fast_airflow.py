"""Spares the process of ``make run`` what it would never use: seconds of Airflow's start, and of each task."""

import functools

import botocore.loaders
import botocore.session
from airflow.api_fastapi.execution_api import versions
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from cadwyn import HeadVersion, Version, VersionBundle


def apply() -> None:
    """Before the first task and the first AWS client. Tasks do the same as without it."""
    # Airflow would build the API that tasks report to once for each version that a client may have. The client is in
    # this process, and of the newest; the second is needed to describe what the newest no longer has.
    newest, second, third, *_ = versions.bundle.versions
    for change in (*newest.changes, *second.changes):
        change._bound_version_bundle = None
    versions.bundle = VersionBundle(HeadVersion(), newest, second, Version(third.value))
    # A hook makes a session of its own, which would read the descriptions of the AWS services from the disk again.
    botocore.session.create_loader = functools.cache(botocore.loaders.create_loader)
    # For its user agent, a hook would look up the sources of all functions on the stack.
    setattr(AwsGenericHook, "_get_caller", lambda *_: "Unknown")  # noqa: B010 - mypy knows it as a method
