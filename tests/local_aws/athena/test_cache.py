"""An object is fetched and parsed once for all queries that read it unchanged."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from athena_client import QueryFailed

from local_aws.athena.cache import Cache
from local_aws.athena.catalog import Catalog
from local_aws.athena.executions import MEMORY
from local_aws.athena.processes import machine_memory


def contents(directory):
    return sorted(file.read_text() for file in directory.iterdir() if not file.suffix)


def writes(text, kept=True):
    def make(file):
        file.write_text(text)
        return kept

    return make


def never(file):
    raise AssertionError("made again")


def test_what_one_query_made_the_next_one_finds(tmp_path):
    Cache(tmp_path / "cache", 100).link("k", tmp_path / "a", writes("made"))
    Cache(tmp_path / "cache", 100).link("k", tmp_path / "b", never)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "made"


def test_what_changed_meanwhile_is_not_kept(tmp_path):
    cache = Cache(tmp_path / "cache", 100)
    cache.link("k", tmp_path / "a", writes("changed", kept=False))
    cache.link("k", tmp_path / "b", writes("made"))
    assert [(tmp_path / name).read_text() for name in "ab"] == ["changed", "made"]


def test_a_failure_leaves_nothing_behind(tmp_path):
    cache = Cache(tmp_path / "cache", 100)

    def fail(file):
        file.write_text("half")
        raise ValueError("no such object")

    with pytest.raises(ValueError, match="no such object"):
        cache.link("k", tmp_path / "a", fail)
    assert contents(tmp_path / "cache") == [] and not (tmp_path / "a").exists()
    cache.link("k", tmp_path / "a", writes("made"))
    assert (tmp_path / "a").read_text() == "made"


def test_queries_that_need_the_same_at_once_wait_for_the_first(tmp_path):
    made = []

    def make(file):
        made.append(file)
        time.sleep(0.2)
        return writes("made")(file)

    def link(number):
        Cache(tmp_path / "cache", 100).link("k", tmp_path / str(number), make)

    threads = [threading.Thread(target=link, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert [(tmp_path / str(number)).read_text() for number in range(4)] == ["made"] * 4


KILLED = """
import sys, time
from pathlib import Path
from local_aws.athena.cache import Cache
from local_aws.athena.catalog import Catalog

def make(file):
    file.write_text("half of it")
    print("begun", flush=True)
    time.sleep(60)

Cache(Path(sys.argv[1]) / "cache", 100).link("k", Path(sys.argv[1]) / "a", make)
"""


def test_a_query_that_is_killed_leaves_no_half_file_and_lets_the_next_one_make_it(tmp_path):
    project = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=project)
    assert process.stdout.readline() == b"begun\n"
    waiting = threading.Thread(target=Cache(tmp_path / "cache", 100).link, args=("k", tmp_path / "b", writes("made")))
    waiting.start()
    time.sleep(0.1)
    assert waiting.is_alive() and not (tmp_path / "a").exists()
    process.kill()
    process.wait()
    waiting.join(10)
    assert (tmp_path / "b").read_text() == "made"
    assert contents(tmp_path / "cache") == ["made"]


def test_what_was_used_least_recently_goes_first_and_stays_with_its_readers(tmp_path):
    cache = Cache(tmp_path / "cache", 10)
    for name in "abc":
        cache.link(name, tmp_path / name, writes(name * 4))
        time.sleep(0.01)
        if name != "a":
            cache.link("a", tmp_path / f"{name}-a", never)
            time.sleep(0.01)
        cache.evict()
    assert contents(tmp_path / "cache") == ["aaaa", "cccc"]
    assert (tmp_path / "b").read_text() == "bbbb"
    cache.link("b", tmp_path / "again", writes("anew"))
    assert (tmp_path / "again").read_text() == "anew"


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def no_link(*names):
        raise PermissionError(names)

    monkeypatch.setattr("os.link", no_link)
    Cache(tmp_path / "cache", 100).link("k", tmp_path / "a", writes("made"))
    Cache(tmp_path / "cache", 100).link("k", tmp_path / "b", never)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "made"


def test_a_file_beyond_the_limit_is_used_once(tmp_path):
    cache = Cache(tmp_path / "cache", 3)
    cache.link("k", tmp_path / "a", writes("made"))
    cache.evict()
    assert contents(tmp_path / "cache") == [] and (tmp_path / "a").read_text() == "made"


# --- through Athena ---


def cached(aws):
    return {file.name for file in (aws.state / "athena" / "cache").glob("*") if not file.suffix}


def test_queries_share_what_an_object_was_parsed_to(athena, aws):
    table = athena.text(b"a\n", b"b\n")
    before = cached(aws)
    numbers = [athena.start(f"select count(*) from {table} where line <> '{n}'") for n in range(4)]
    for number in numbers:
        athena.wait(number)
        assert athena.results(number)[1] == ["2"]
    assert len(cached(aws) - before) == 2


def test_an_object_that_has_changed_is_read_anew(athena):
    table = athena.text(b"a\n")
    assert athena.query(f"select line from {table}") == [["a"]]
    athena.client_of("s3").put_object(Bucket=athena.bucket, Key=f"{table}/0", Body=b"b\n")
    assert athena.query(f"select line from {table}") == [["b"]]


def test_text_and_json_tables_share_an_object(athena, aws):
    table = athena.text(b'{"a": "1"}\n')
    assert athena.query(f"select line from {table}") == [['{"a": "1"}']]
    before = cached(aws)
    serde = "row format serde 'org.openx.data.jsonserde.JsonSerDe'"
    athena.query(f"create external table {table}_json (a string) {serde} location 's3://{athena.bucket}/{table}/'")
    assert athena.query(f"select a from {table}_json") == [["1"]]
    assert cached(aws) == before


def test_queries_share_copies_of_an_iceberg_tables_files(athena, aws):
    table = athena.iceberg("k bigint, part string", "partitioned by (part)")
    athena.query(f"insert into {table} values (1, 'a'), (2, 'b')")
    before = cached(aws)
    assert athena.query(f"select sum(k) from {table}") == [["3"]]
    copies = cached(aws) - before
    assert len(copies) == 5  # the metadata, a list of manifests, a manifest, two data files
    assert athena.query(f"select k from {table} where part = 'b'") == [["2"]]
    assert cached(aws) == before | copies
    athena.query(f"insert into {table} values (3, 'c')")
    assert athena.query(f"select sum(k) from {table}") == [["6"]]
    assert len(cached(aws)) == len(before | copies) + 4  # no data file again


def test_a_copy_does_not_hide_that_a_file_of_an_iceberg_table_is_gone(athena):
    table = athena.iceberg("k bigint")
    athena.query(f"insert into {table} values (1)")
    assert athena.query(f"select k from {table}") == [["1"]]
    s3 = athena.client_of("s3")
    found = s3.list_objects_v2(Bucket=athena.bucket, Prefix=f"warehouse/{table}/data/")["Contents"]
    s3.delete_object(Bucket=athena.bucket, Key=found[0]["Key"])
    with pytest.raises(QueryFailed, match="ICEBERG_CANNOT_OPEN_SPLIT: Error opening Iceberg split s3://"):
        athena.query(f"select k from {table}")


def test_an_iceberg_table_with_files_elsewhere_is_read_from_s3(athena, aws):
    table = athena.iceberg("k bigint")
    athena.query(f"insert into {table} values (1)")
    elsewhere = f"s3://{athena.bucket}/warehouse/{table}/other"
    catalog = Catalog(aws)
    with catalog.iceberg.load_table((athena.database, table)).transaction() as change:
        change.set_properties({"write.data.path": elsewhere})
    athena.query(f"insert into {table} values (2)")
    assert athena.query(f"select k from {table} order by k") == [["1"], ["2"]]


def test_a_damaged_object_is_not_kept(athena, aws):
    table = athena.text(b"")
    athena.client_of("s3").put_object(Bucket=athena.bucket, Key=f"{table}/1.gz", Body=b"\x1f\x8b")
    before = cached(aws)
    with pytest.raises(QueryFailed, match="HIVE_CURSOR_ERROR"):
        athena.query(f"select * from {table}")
    assert cached(aws) == before


def test_a_query_leaves_nothing_but_its_result(athena, aws):
    athena.query(f"select line from {athena.text(b'a')}")
    assert [file for file in (aws.state / "athena").iterdir() if file.is_dir() and file.name != "cache"] == []


def test_the_queries_that_run_at_once_have_less_memory_than_the_machine():
    assert 0 < MEMORY < machine_memory()
