"""The public STEDI data, where it is present: the known results, through the whole DAG, and by its jobs under each
policy."""

from stedi.tables import JOBS, LANDING_TABLES
from tests.reference.job_runs import create_tables, run_jobs

KNOWN = {
    "customer": [482, 40_981, 482, 14_460, 40_981],
    "reading_time": [482, 32_025, 464, 11_297, 32_025],
}


def test_the_dag_gives_the_known_results(lake, real_data):
    summary = lake.run(real_data)
    assert [summary["tables"][table] for table in LANDING_TABLES] == [956, 81_273, 28_680]
    assert [summary["tables"][job] for job in JOBS] == KNOWN["customer"]


def test_the_jobs_give_the_known_results_under_the_other_policy(spark, real_data, tmp_path):
    for folder in real_data.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    create_tables(spark)
    content = run_jobs(spark, tmp_path, "reading_time", max_rejected=0)
    assert [content[job].total() for job in JOBS] == KNOWN["reading_time"]
