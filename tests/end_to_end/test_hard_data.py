"""The whole DAG on a delivery with the website's defect and with damaged records."""

import json
import shutil

import pytest

from include.sample.generate import generate
from tests.reference.lakehouse_reference import COLUMNS, lakehouse


@pytest.fixture(scope="module")
def hard(lake, tmp_path_factory):
    """The delivery, and the summary of a run on it."""
    landing = tmp_path_factory.mktemp("hard")
    generate(landing, 25, 24, shared_serials=4, damage=0.06)
    shutil.rmtree(landing / "_expected")
    return landing, lake.run(landing, "--max-refused", "0.2")


def test_every_check_recomputes_in_athena_what_the_jobs_made_of_it(hard):
    assert {check["violations"] for check in hard[1]["checks"]} == {0}


def test_every_row_of_every_table_is_the_references(hard, lake):
    for table, rows in lakehouse(hard[0]).tables.items():
        where = "where source <> 'device_owners'" if table == "job_audit" else ""
        columns = ", ".join(json.dumps(column) for column in COLUMNS[table])
        found = sorted(lake.query(f"select {columns} from {table} {where}"))
        assert found == sorted(["" if v is None else str(v) for v in row] for row in rows.elements()), table


def test_the_run_says_how_many_devices_were_confirmed_corrected_and_left_unknown(hard):
    figures = next(check["figures"] for check in hard[1]["checks"] if check["check"] == "device_owners")
    decided = [figures[how] for how in ("website_confirmed", "readings", "website", "owner_unknown", "owner_ambiguous")]
    assert sum(decided) == figures["devices"]
    assert all(decided[:2] + decided[3:])
