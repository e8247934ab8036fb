"""What a run stages of a table, who sees it, and when it may be published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from staged_table import Table

from lakehouse import staging
from lakehouse.errors import MainMovedError, NotStagedError


@given(st.text(), st.text())
def test_branches_of_different_runs_have_different_names_that_spark_accepts(one, other):
    assert (staging.branch_name(one) == staging.branch_name(other)) is (one == other)
    assert staging.branch_name(one).replace("_", "").isalnum()
    assert staging.branch_name(one).isascii()


@pytest.fixture
def table(spark):
    return Table(spark)


def test_readers_see_what_a_run_has_staged_when_it_is_published(table):
    first = table.release("first", 1, 2)
    second = table.stage("second", 3, base=first)
    assert table.rows() == [1, 2]
    table.publish("second", second, first)
    assert table.rows() == [3]


def test_a_table_that_athena_has_created_is_written_to_its_data_path_once_that_has_the_new_name(table, tmp_path):
    path = f"{tmp_path}/data"
    properties = f"'{staging.OLD_DATA_PATH}' = '{path}', 'write.object-storage.enabled' = 'true'"
    table.spark.sql(f"ALTER TABLE {table.name} SET TBLPROPERTIES ({properties})")
    with pytest.raises(Exception, match=f"'{staging.OLD_DATA_PATH}' has been deprecated"):
        table.release("run", 1)

    for _ in range(2):
        staging.rename_data_path(table.iceberg)

    table.release("run", 1)
    [file] = table.spark.table(f"{table.name}.files").collect()
    assert file.file_path.removeprefix("file:").startswith(f"{path}/")
    assert table.rows() == [1]


def test_a_release_can_still_be_read_after_the_next_one(table):
    table.release("first", 1, 2)
    table.release("second", 3)
    assert table.rows(f".tag_{staging.tag_name('first')}") == [1, 2]


def test_another_attempt_begins_again_where_the_run_began(table):
    base = table.release("first", 1)
    table.stage("second", 2, 3, base=base)
    second = table.stage("second", 4, base=base)
    assert table.iceberg.snapshot(second).parentId() == base
    assert staging.staged(table.iceberg, "second").rows == 1


def test_a_branch_that_was_begun_and_not_written_is_not_staged(table):
    table.begin("second", table.release("first", 1))
    assert staging.staged(table.iceberg, "second") is None


def test_what_an_earlier_run_has_staged_ends_when_the_next_one_begins_to_write(table):
    table.stage("red", 1)
    table.begin("next")
    assert staging.staged(table.iceberg, "red") is None


def test_publishing_again_changes_nothing(table):
    first = table.release("first", 1)
    table.publish("first", first)
    assert (table.rows(), table.main()) == ([1], first)


def test_a_run_that_stages_again_after_it_was_published_can_publish_that_too(table):
    base = table.release("first", 1)
    second = table.stage("second", 2, base=base)
    table.publish("second", second, base)
    again = table.stage("second", 3, base=base)
    table.publish("second", again, base)
    assert table.rows() == table.rows(f".tag_{staging.tag_name('second')}") == [3]


def test_nothing_is_published_of_a_table_that_something_else_has_changed_and_the_error_names_its_snapshot(table):
    base = table.release("first", 1)
    second = table.stage("second", 2, base=base)
    table.spark.createDataFrame([(9,)], "number int").writeTo(table.name).append()
    with pytest.raises(MainMovedError, match=f"has the snapshot {table.main()}, .*it had {base}"):
        table.publish("second", second, base)
    assert table.rows() == [1, 9]


def test_nothing_is_published_but_what_the_checks_have_read(table):
    audited = table.stage("first", 1)
    staged = table.stage("first", 2)
    with pytest.raises(NotStagedError, match=f"passed on the snapshot {audited}, and the snapshot {staged} is staged"):
        table.publish("first", audited)


def test_a_run_does_not_begin_to_write_over_what_was_published_since_and_the_error_says_what_to_do(table):
    base = table.release("first", 1)
    later = table.release("second", 2)
    table.stage("third", 3, base=later)
    with pytest.raises(MainMovedError, match=rf"has the snapshot {later}, .*it had {base}.*Trigger a new run"):
        table.begin("first", base)
    assert staging.staged(table.iceberg, "third").rows == 1
