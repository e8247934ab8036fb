"""What AWS bills, by its rules."""

from dataclasses import replace

import pytest

from dev.settings import lakehouse_settings
from stedi.report.cost import job_cost, query_cost

SETTINGS = replace(lakehouse_settings(), dpu_hour_price=0.36, flex_dpu_hour_price=0.18, athena_tb_price=5)


def run(seconds, **more):
    return {"ExecutionTime": seconds, "MaxCapacity": 2.0, "ExecutionClass": "STANDARD", **more}


def test_a_job_run_is_billed_by_the_second_and_for_a_minute_at_least():
    assert job_cost([run(90)], SETTINGS) == pytest.approx((90, 180, 0.018))
    assert job_cost([run(20)], SETTINGS) == pytest.approx((20, 120, 0.012))


def test_every_attempt_is_billed_and_one_that_did_not_start_is_free():
    assert job_cost([run(90), run(20), run(0)], SETTINGS) == pytest.approx((110, 300, 0.03))
    assert job_cost([], SETTINGS) == (0, 0, 0)


def test_a_flex_run_has_its_own_price_and_the_dpu_seconds_that_glue_counts():
    flex = run(200, ExecutionClass="FLEX", DPUSeconds=300.0)
    assert job_cost([flex], SETTINGS) == pytest.approx((200, 300, 0.015))


def test_a_query_is_billed_by_full_megabytes_and_for_ten_at_least():
    assert query_cost([0, 1], SETTINGS) == pytest.approx((2, 1, 20_000_000, 0.0001))
    assert query_cost([25_000_001], SETTINGS) == pytest.approx((1, 25_000_001, 26_000_000, 0.00013))
