"""What the SQL templates find as `ti`, for sqlfluff."""


def xcom_pull(task_ids: str) -> dict[str, list[str]]:
    """What the task ``unreadable_files`` returns."""
    return {"customer_landing": ["s3://bucket/customer_landing/damaged.gz"]}
