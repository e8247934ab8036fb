"""Which landing files Athena cannot read, so that the checks do not open them."""

from stedi.athena import AthenaQueries
from stedi.settings import Settings
from stedi.tables import LANDING_TABLES, UNREADABLE


def unreadable_files(settings: Settings) -> dict[str, list[str]]:
    """{landing table: the ``s3://`` paths of its files that Athena cannot read}, as landing_quarantine has them."""
    reasons = ", ".join(f"'{reason}'" for reason in UNREADABLE)
    sql = f"SELECT DISTINCT source, file FROM {settings.database}.landing_quarantine WHERE reason IN ({reasons})"
    with AthenaQueries.of(settings) as athena:
        rows = athena.ask("unreadable files", sql)
    found: dict[str, list[str]] = {table: [] for table in LANDING_TABLES}
    for row in rows:
        found[row["source"]].append(f"s3://{settings.bucket}/{row['source']}/{row['file']}")
    return {table: sorted(paths) for table, paths in found.items() if paths}
