"""Two runs that fill one table at the same time."""

import contextlib
from threading import Barrier, BrokenBarrierError

import pytest

from .conftest import before_commit
from .proxy import Request


@pytest.mark.exhaustive
def test_of_two_runs_at_once_one_is_there_wholly_or_fails_clearly(lake):
    table = "customer_trusted"
    first, second = lake.first[table], lake.after[table]
    contents = {run: lake.content(table, state, run=run) for run, state in (("first", first), ("second", second))}
    lake.put_back(lake.empty)
    both, commit = Barrier(2, timeout=300), before_commit(table)

    def together(request: Request) -> None:
        # Both write on top of the same table: neither waits for the other, until the last moment.
        if commit.of(request) and not both.broken:
            with contextlib.suppress(BrokenBarrierError):
                both.wait()
            both.abort()

    lake.proxy.before = together
    # Glue refuses a second run of one job; under another name it is another job.
    names = {"first": "customer_trusted", "second": "customer_trusted_as_well"}
    runs = {run: lake.start(name, run_id=run, landing=f"s3://delivery-{run}", base="{}") for run, name in names.items()}
    ended = {run: lake.wait(names[run], run_id) for run, run_id in runs.items()}

    succeeded = {run for run, end in ended.items() if end["JobRunState"] == "SUCCEEDED"}
    assert lake.published(table) == ()
    staged = {run: lake.content(table, run=run) for run in runs}
    assert {run for run, content in staged.items() if content} <= succeeded, ended
    assert any(staged[run] == contents[run] for run in succeeded), ended
    assert all(staged[run] in ((), contents[run]) for run in runs), ended
    for run in ended.keys() - succeeded:
        assert "CommitFailedException" in ended[run]["ErrorMessage"]
