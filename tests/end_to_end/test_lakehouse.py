"""The whole DAG, run after run in one lake: on the committed sample, on the same again while somebody puts a row into a
table, and on a hard delivery with which somebody withdraws; then the maintenance, and the public data, where it is
present."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pyarrow as pa
import pytest
from athena_client import Athena

import warehouse
from dev.generate import generate
from dev.settings import lakehouse_settings
from local_aws.athena.catalog import Catalog
from local_aws.calls import read_calls
from local_aws.settings import GLUE_KEY
from stedi.settings import PROJECT
from stedi.tables import ICEBERG_TABLES, JOBS, LANDING_TABLES, SOURCES, TABLES, WRITTEN_TABLES
from tests.infra.policies import (
    BUCKET,
    DATABASE,
    HIDDEN,
    NEEDED,
    POLICIES,
    PUBLISHED,
    allows,
    deployed,
    glue,
    s3,
    unused,
)
from tests.reference.lakehouse_reference import COLUMNS, lakehouse

SETTINGS = lakehouse_settings()
SAMPLE = PROJECT / "include" / "sample"

COUNTS = {
    "customer_landing": 26,
    "accelerometer_landing": 2_044,
    "step_trainer_landing": 722,
    "customer_trusted": 18,
    "accelerometer_trusted": 1_436,
    "customers_curated": 17,
    "step_trainer_trusted": 510,
    "machine_learning_curated": 1_436,
}


@pytest.fixture(scope="module")
def first(lake):
    """The summary and the tables of a first run on an empty lake."""
    return lake.run(SAMPLE), lake.content()


@pytest.fixture(scope="module")
def report(first, lake):
    """The files of the first run's report, {name: content}."""
    return {path.name: path.read_bytes() for path in lake.report.iterdir()}


def test_every_task_and_check_is_green(first):
    summary, _ = first
    assert summary["state"] == "success"
    assert {task["state"] for task in summary["tasks"]} == {"success"}
    assert {check["violations"] for check in summary["checks"]} == {0}


def test_the_tables_have_the_rows_that_the_rules_of_the_data_give(first):
    summary, content = first
    assert summary["tables"] == COUNTS
    assert {table: len(rows) for table, rows in content.items()} == {table: COUNTS[table] for table in content}


def test_every_row_is_the_one_that_an_independent_reference_computes(first):
    expected = lakehouse(SAMPLE).tables
    for table, rows in first[1].items():
        assert rows == sorted(["" if v is None else str(v) for v in row] for row in expected[table].elements()), table


def test_each_table_was_replaced_in_one_commit_that_carries_the_run_id(first, lake):
    summary, _ = first
    for table in first[1]:
        snapshots = lake.query(f"select element_at(summary, 'run_id') from \"{table}$snapshots\"")
        # A new table's branch begins with an empty snapshot.
        assert [run for run in snapshots if run != [""]] == [[summary["run_id"]]], table


def test_a_release_says_which_snapshot_of_each_table_belongs_to_the_run_and_how_many_rows_it_has(first, lake):
    rows = lake.query("select table_name, snapshot_id, records, run_id from releases")
    assert {row[0] for row in rows} == set(WRITTEN_TABLES)
    for table, snapshot, records, run_id in rows:
        assert run_id == first[0]["run_id"]
        assert lake.query(f"select count(*) from {table} for version as of {snapshot}") == [[records]]


def test_the_audit_says_where_every_record_went(first, lake):
    rows = lake.query("select job, outcome, reason, records from job_audit where source = 'customer_landing'")
    assert sorted(rows) == [
        ["customer_trusted", "filtered", "no_consent", "7"],
        ["customer_trusted", "kept", "", "18"],
        ["customer_trusted", "superseded", "", "1"],
    ]


def test_the_figures_count_what_a_job_read_and_wrote(first, lake):
    rows = lake.query("select figure, value from job_figures where source = 'customer_landing'")
    assert sorted(rows) == [["lines", "26"], ["read", "26"], ["repaired", "0"]]
    written = dict(lake.query("select source, value from job_figures where figure = 'written'"))
    assert {table: int(written[table]) for table in first[1]} == {table: COUNTS[table] for table in first[1]}


def test_the_report_is_left_here_as_it_was_published(first, report, lake):
    s3, prefix = lake.aws.client("s3"), f"reports/{first[0]['run_id']}/"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=SETTINGS.bucket, Prefix=prefix)["Contents"]]
    published = {key: s3.get_object(Bucket=SETTINGS.bucket, Key=key)["Body"].read() for key in keys}
    assert {key.removeprefix(prefix): content for key, content in published.items()} == report
    assert set(report) == {"index.html"}


def test_the_report_needs_nothing_but_itself(report):
    page = report["index.html"].decode()
    refers_to = re.findall(r"""(?:src|href)=["']?([^"'\s>]+)|url\(([^)]+)\)|@import""", page)
    assert [target for pair in refers_to for target in pair if target and target[0] != "#" and target != "data:,"] == []
    assert "<script" not in page


def test_the_report_tells_where_the_records_went_and_what_the_checks_found(first, report):
    page = report["index.html"].decode()
    for text in ("2,044", "7 filtered: no_consent", "1,436", f"{len(first[0]['checks'])} of {len(first[0]['checks'])}"):
        assert f">{text}<" in page, text
    for check in first[0]["checks"]:
        assert f"<td>{check['check']}</td>" in page


def test_the_report_names_nobody(report):
    page = report["index.html"].decode().lower()
    lines = (SAMPLE / "customer" / "customer-1717200000000.json").read_text().splitlines()
    customers = [json.loads(line) for line in lines]
    telling = {record[field].strip().lower() for record in customers for field in ("customerName", "email", "phone")}
    telling |= {record["serialNumber"].lower() for record in customers}
    assert len(telling) > 50
    assert [text for text in telling if text in page] == []


NOBODY = ["nobody@example.com", "1717200000000", "0.0", "0.0", "0.0"]


def put_in(lake, table, row):
    """Puts a row into what a run has staged of a table."""
    iceberg = Catalog(lake.aws).iceberg.load_table((SETTINGS.database, table))
    [branch] = [name for name in iceberg.refs() if name.startswith("run_")]
    run_id = iceberg.snapshot_by_name(branch).summary.additional_properties["run_id"]
    schema = iceberg.schema().as_arrow()
    values = {
        field.name: value if pa.types.is_large_string(field.type) or pa.types.is_string(field.type) else float(value)
        for field, value in zip(schema, row, strict=True)
    }
    values["timestamp"] = int(values["timestamp"])
    iceberg.append(pa.Table.from_pylist([values], schema=schema), branch=branch, snapshot_properties={"run_id": run_id})


@pytest.fixture(scope="module")
def again(first, lake):
    """Exit code and output of a second run on the same delivery, into whose tables a row without consent is put; and
    how often readers have found that row meanwhile."""
    Catalog(lake.aws).iceberg  # noqa: B018  # to load it takes seconds, and the row must come before the checks
    run = lake.start("run", "--landing", str(SAMPLE), "--keep")
    output, found, ended = "", [], Event()

    def read():
        while not ended.wait(1):
            found.extend(lake.query(f"select count(*) from accelerometer_trusted where \"user\" = '{NOBODY[0]}'"))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for line in run.stdout:
                output += line
                if line.startswith("step_trainer_trusted"):
                    # While the last job is at work, before the checks.
                    put_in(lake, "accelerometer_trusted", NOBODY)
        finally:
            ended.set()
        reader.result()
    return run.wait(), output, found


def test_a_second_run_sends_nothing_and_changes_no_row(first, again, lake):
    assert "files 3, sent 0" in again[1]
    assert lake.content() == first[1]


def test_no_reader_sees_what_a_red_run_has_staged(first, again, lake):
    assert len(again[2]) > 10
    assert {count for (count,) in again[2]} == {"0"}
    assert {run for (run,) in lake.query("select distinct run_id from releases")} == {first[0]["run_id"]}


def test_what_a_red_run_has_staged_can_be_looked_at(again, lake):
    run_id = lake.summary()["run_id"]
    sql = f"select count(*) from accelerometer_trusted where \"user\" = '{NOBODY[0]}'"
    assert lake.command("query", "--format", "csv", "--run", run_id, "--", sql) == (0, "_col0\n1\n")
    assert re.search(
        r"select \* from stedi\.accelerometer_trusted for version as of \d+", (lake.report / "index.html").read_text()
    )


def test_a_row_without_consent_fails_the_run_once_and_is_named(again, lake):
    exit_code, output, _ = again
    assert exit_code == 1, output
    assert "checks.consent failed: consent: 1 violation " in output
    failed = {task["task_id"] for task in lake.summary()["tasks"] if task["state"] == "failed"}
    assert failed == {"checks.consent", "checks.accelerometer_trusted"}
    assert output.count("checks.consent ") == 2  # its line, and the reason at the end: one attempt


def test_a_run_is_compared_with_the_last_release(first, again, lake):
    history = next(check for check in lake.summary()["checks"] if check["check"] == "history")
    assert history["state"] == "success"
    assert history["figures"] == {"compared_with": first[0]["run_id"], **dict.fromkeys(WRITTEN_TABLES, 0)}


def test_the_audits_keep_every_run(first, again, lake):
    runs = {first[0]["run_id"], lake.summary()["run_id"]}
    for table in ("job_audit", "job_figures", "check_audit"):
        assert {run for (run,) in lake.query(f"select distinct run_id from {table}")} == runs


def test_a_run_with_a_violation_is_reported_too(again, lake):
    page = (lake.report / "index.html").read_text()
    assert re.search(
        r'<td>consent</td><td><span class="badge failed">failed</span></td><td class="number">1</td>', page
    )
    assert page.count("badge failed") > 1


@pytest.fixture(scope="module")
def who_withdraws(first):
    """A row of customers_curated, the first in the alphabet: Iceberg's and Parquet's metadata have it as a bound."""
    return min(first[1]["customers_curated"], key=lambda row: row[1])


@pytest.fixture(scope="module")
def hard(again, who_withdraws, lake, tmp_path_factory):
    """The sample with the website's defect, damaged records and a withdrawal delivered beside it, and the summary."""
    delivery, more = tmp_path_factory.mktemp("delivery"), tmp_path_factory.mktemp("more")
    generate(more, 25, 24, shared_serials=4, damage=0.06)
    for source in SOURCES:
        shutil.copytree(SAMPLE / source, delivery / source)
        shutil.copytree(more / source, delivery / source / "more")
    name, email, phone, _, serial_number, *times = who_withdraws
    withdrawal = {"customerName": name, "email": email.upper(), "phone": phone, "serialNumber": serial_number}
    withdrawal |= {"birthDay": "1990-01-01", "registrationDate": int(times[0]), "lastUpdateDate": int(times[1]) + 1}
    (delivery / "customer" / "withdrawal.json").write_text(json.dumps(withdrawal))
    policy = ("--consent-policy", "reading_time", "--max-rejected", "0.2")
    return delivery, lake.run(delivery, "--keep", *policy)


def test_hard_data_passes_every_check_which_athena_computes_anew(hard):
    assert {check["violations"] for check in hard[1]["checks"]} == {0}


def test_every_row_of_hard_data_in_every_table_is_the_references(hard, lake):
    # These keep the runs before.
    where = dict.fromkeys(("job_audit", "job_figures"), f"where run_id = '{hard[1]['run_id']}'")
    for table, rows in lakehouse(hard[0], "reading_time").tables.items():
        columns = ", ".join(json.dumps(column) for column in COLUMNS[table])
        found = sorted(lake.query(f"select {columns} from {table} {where.get(table, '')}"))
        assert found == sorted(["" if v is None else str(v) for v in row] for row in rows.elements()), table


def test_the_run_says_how_many_devices_were_confirmed_corrected_and_left_unknown(hard):
    figures = next(check["figures"] for check in hard[1]["checks"] if check["check"] == "device_owners")
    decided = [figures[how] for how in ("website_confirmed", "readings", "website", "owner_unknown", "owner_ambiguous")]
    assert sum(decided) == figures["devices"]
    assert all(decided[:2] + decided[3:])


def test_an_earlier_release_can_be_read_as_it_was(first, hard, lake):
    """A query of several tables, as this run and as the first have released them."""
    sql = "select (select count(*) from customer_trusted), count(*) from accelerometer_trusted"
    for summary in (first[0], hard[1]):
        expected = [str(summary["tables"][table]) for table in ("customer_trusted", "accelerometer_trusted")]
        exit_code, output = lake.command("query", "--format", "csv", "--at", summary["run_id"], "--", sql)
        assert (exit_code, output.splitlines()[1]) == (0, ",".join(expected)), output


def test_after_a_withdrawal_and_a_maintenance_no_byte_of_the_person_is_left(first, hard, who_withdraws, lake):
    name, email, phone, _, serial_number, *_ = who_withdraws
    texts = [text[:16] for text in (name, email, phone, serial_number)]  # a bound has the first 16 characters

    def find():
        s3 = lake.aws.client("s3")
        found = [warehouse.find(s3, SETTINGS.bucket, prefix, texts) for prefix in ("warehouse/", "handover/")]
        return {text: found[0][text] | found[1][text] for text in texts}

    def content():
        return {table: sorted(lake.query(f"select * from {table}")) for table in ICEBERG_TABLES}

    remaining = content()
    assert [text for text in texts if text.lower() in repr(remaining).lower()] == []
    found = find()
    kinds = [{key.rpartition(".")[2] for key in found[text]} for text in texts]
    assert kinds[:2] == [{"parquet", "avro"}] * 2  # in the files of earlier snapshots, and in those of the metadata
    assert all("parquet" in kind for kind in kinds)

    exit_code, output = lake.command("maintain", "--snapshot-hours", "0", "--orphan-hours", "0")
    assert exit_code == 0, output
    assert find() == {text: set() for text in texts}
    assert content() == remaining
    references = lake.query('select name from "customer_trusted$refs"')
    assert sorted(name.partition("_")[0] for (name,) in references) == ["main", "release"]
    released = lake.query(
        "select max_by(snapshot_id, released_at) from releases "
        f"where table_name = 'customer_trusted' and run_id = '{hard[1]['run_id']}'"
    )
    assert released == lake.query("select snapshot_id from \"customer_trusted$refs\" where name = 'main'")
    exit_code, output = lake.command("query", "--at", first[0]["run_id"], "--", "select * from customer_trusted")
    assert exit_code == 1
    assert "that release is gone: the maintenance has deleted it" in output


def test_the_public_data_gives_the_known_results(lake, real_data):
    summary = lake.run(real_data)
    assert [summary["tables"][table] for table in LANDING_TABLES] == [956, 81_273, 28_680]
    assert [summary["tables"][job] for job in JOBS] == [482, 40_981, 482, 14_460, 40_981]


# --- the policies of infra/stedi.yaml, and who called what in all that is above ---

#: The local AWS warms up a JVM with the key of the jobs, and asks Glue something.
WARM_UP = (GLUE_KEY, "glue:GetDatabases")


@pytest.fixture(scope="module")
def made(first, again, hard, lake):
    """The calls of Airflow and of the jobs; of a reader, who has queried each published table; and of an intruder with
    the policy of a reader, who has queried each of the others."""
    if not any("stedi_maintenance" in call.resource for call in read_calls(lake.calls)):
        assert lake.command("maintain", "--snapshot-hours", "0", "--orphan-hours", "0")[0] == 0
    for key, tables in (("reader", PUBLISHED), ("intruder", HIDDEN)):
        athena = Athena(lake.aws, BUCKET, DATABASE, key)
        for table in tables:
            athena.query(f"select * from {table} limit 1", WorkGroup=f"{DATABASE}-readers")
    return [call for call in read_calls(lake.calls) if (call.principal, call.action) != WARM_UP]


def test_every_call_is_allowed_to_who_made_it(made, lake):
    statements = deployed(lake.aws)
    of_principals = [call for call in made if call.principal in POLICIES]
    assert {call.principal for call in of_principals} == set(POLICIES)
    assert [call for call in of_principals if not allows(statements[call.principal], call)] == []


@pytest.mark.parametrize("principal", POLICIES)
def test_a_call_is_forbidden_if_any_part_of_a_policy_is_taken_out(made, lake, principal):
    needed = [call for calls in (made, *NEEDED.values()) for call in calls if call.principal == principal]
    assert unused(deployed(lake.aws)[principal], needed) == []


@pytest.mark.parametrize("table", HIDDEN)
def test_a_reader_s_query_of_what_is_not_published_is_refused(made, lake, table):
    statements = deployed(lake.aws)["reader"]
    resources = glue(f"table/{DATABASE}/{table}"), s3(f"{TABLES[table].folder}/")
    asked = [call for call in made if call.principal == "intruder" and call.resource.startswith(resources)]
    assert "glue:GetTable" in {call.action for call in asked}
    assert [call for call in asked if allows(statements, call)] == []
