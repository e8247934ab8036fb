"""A run writes each table on an Iceberg branch of its own, which readers of the table do not see. After the checks, the
branch's snapshot becomes the table's content; a tag keeps it as a release.

The names are for the DAGs too: nothing here imports Spark. A ``table`` is a Java ``org.apache.iceberg.Table``.
"""

import hashlib
import re
from typing import Any, NamedTuple

from lakehouse.errors import MainMovedError, NotStagedError

MAIN = "main"
#: Where the data files of a table go, by Iceberg's name for it and by the old one, which Athena gives to its tables.
DATA_PATH, OLD_DATA_PATH = "write.data.path", "write.object-storage.path"
_BRANCH, _TAG = "run_", "release_"


def branch_name(run_id: str) -> str:
    """The branch on which a run writes its tables."""
    return _BRANCH + _suffix(run_id)


def tag_name(run_id: str) -> str:
    """The tag of what a run has published."""
    return _TAG + _suffix(run_id)


def _suffix(run_id: str) -> str:
    # Spark takes only letters, digits and _ in a branch's name; the digest tells run ids apart that then look the same.
    return f"{re.sub('[^A-Za-z0-9]', '_', run_id)}_{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def is_branch(reference: str) -> bool:
    """Whether a reference is the branch of a run."""
    return reference.startswith(_BRANCH)


def is_tag(reference: str) -> bool:
    """Whether a reference is the tag of a release."""
    return reference.startswith(_TAG)


class Staged(NamedTuple):
    """What a run has written to a table."""

    snapshot_id: int
    rows: int


def iceberg_table(spark: Any, name: str) -> Any:
    """A table of the catalog, by its full name."""
    return spark._jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, name)


def rename_data_path(table: Any) -> None:
    """Lets Iceberg write a table that Athena has created: it refuses to while the property has its old name.

    Athena takes neither name in CREATE TABLE.
    """
    path = table.properties().get(OLD_DATA_PATH)
    if path is not None:
        table.updateProperties().remove(OLD_DATA_PATH).set(DATA_PATH, path).commit()


def start_branch(table: Any, run_id: str, base: int | None) -> None:
    """Starts the run's branch, over what an earlier attempt has written to it, and drops the branches of earlier runs.

    base: the snapshot to start from, which was the table's content when the run began; None in a table that had none.
    If this run has published the table already, its branch starts from that instead. Raises ``MainMovedError`` if the
    table's content is neither.
    """
    _check_main(table, run_id, base)
    branch, change, base = branch_name(run_id), table.manageSnapshots(), _id(table, MAIN)
    exists = _id(table, branch) is not None
    if base is None:
        if not exists:
            change.createBranch(branch)
    elif exists:
        change.replaceBranch(branch, base)
    else:
        change.createBranch(branch, base)
    # After the new branch: in a table without a snapshot it takes a commit, which must be the first.
    for name in map(str, table.refs().keySet().toArray()):
        if is_branch(name) and name != branch:
            change.removeBranch(name)
    change.commit()


def staged(table: Any, run_id: str) -> Staged | None:
    """What a run has written to a table; None if it has not."""
    snapshot = _of_run(table, branch_name(run_id), run_id)
    return None if snapshot is None else Staged(snapshot.snapshotId(), int(snapshot.summary().get("total-records")))


def check_unmoved(table: Any, run_id: str, base: int | None, audited: int) -> Staged:
    """What a run may publish of a table: what it has staged.

    Raises ``NotStagedError`` if that is not the snapshot ``audited``, and ``MainMovedError`` if the table is neither as
    it was when the run began, nor as this run has published it.
    """
    found = staged(table, run_id)
    if found is None:
        raise NotStagedError(
            f"{table.name()}: the checks passed on the snapshot {audited}, which a later run or the maintenance has "
            "dropped. Trigger a new run."
        )
    if found.snapshot_id != audited:
        raise NotStagedError(
            f"{table.name()}: the checks passed on the snapshot {audited}, and the snapshot {found.snapshot_id} is "
            "staged. Clear the checks, with the tasks after them."
        )
    _check_main(table, run_id, base)
    return found


def _check_main(table: Any, run_id: str, base: int | None) -> None:
    """Raises ``MainMovedError`` if a table is neither as it was when the run began, nor as the run has published it."""
    main = _id(table, MAIN)
    if main != base and _of_run(table, MAIN, run_id) is None:
        raise MainMovedError(
            f"{table.name()} has the snapshot {main}, which this run did not write; when the run began it had {base}. "
            "This attempt published nothing. Trigger a new run."
        )


def publish(table: Any, run_id: str, snapshot_id: int) -> None:
    """Makes a run's snapshot the content of the table, and tags it, in one commit; doing it again changes nothing."""
    tag, change = tag_name(run_id), table.manageSnapshots()
    if _id(table, tag) is None:
        change.createTag(tag, snapshot_id)
    else:
        change.replaceTag(tag, snapshot_id)
    change.fastForwardBranch(MAIN, branch_name(run_id)).commit()


def _id(table: Any, reference: str) -> int | None:
    """The snapshot of a branch or tag."""
    found = table.refs().get(reference)
    return None if found is None else int(found.snapshotId())


def _of_run(table: Any, reference: str, run_id: str) -> Any:
    """The snapshot of a branch or tag if the run wrote it, else None."""
    snapshot_id = _id(table, reference)
    snapshot = None if snapshot_id is None else table.snapshot(snapshot_id)
    return snapshot if snapshot is not None and snapshot.summary().get("run_id") == run_id else None
