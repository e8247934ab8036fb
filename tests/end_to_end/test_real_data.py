"""The public STEDI data, where it is present: the known results, through the whole DAG, and by its jobs under each
policy and match."""

import pytest

from tests.reference.job_runs import JOBS, create_tables, run_jobs

KNOWN = {
    ("customer", "customer_and_time"): [482, 40_981, 482, 14_460, 40_981],
    ("customer", "time"): [482, 40_981, 482, 14_460, 43_681],
    ("reading_time", "customer_and_time"): [482, 32_025, 464, 11_297, 32_025],
}


def test_the_dag_gives_the_known_results(lake, real_data):
    summary = lake.run(real_data)
    landed = [summary["tables"][f"{source}_landing"] for source in ("customer", "accelerometer", "step_trainer")]
    assert landed == [956, 81_273, 28_680]
    assert [summary["tables"][job] for job in JOBS] == KNOWN["customer", "customer_and_time"]


@pytest.mark.parametrize(("consent_policy", "match_on"), KNOWN)
def test_the_jobs_give_the_known_results(spark, real_data, tmp_path, consent_policy, match_on):
    for folder in real_data.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    create_tables(spark)
    content = run_jobs(spark, tmp_path, consent_policy, match_on, max_refused=0)
    assert [content[job].total() for job in JOBS] == KNOWN[consent_policy, match_on]
