"""Which parameters a DAG accepts from the command line."""

import pytest
from airflow.sdk import DAG, Param

from dev.dag_run import _invalid_parameter

HOURS = DAG("hours", schedule=None, params={"hours": Param(24, type="integer", minimum=0, maximum=8760)})


@pytest.fixture
def lakehouse(dags):
    return dags["stedi_lakehouse"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("consent_policy", "x", "'x' is not one of ['customer', 'reading_time']"),
        ("max_lost", -0.5, "-0.5 is less than the minimum of 0"),
        ("max_lost", "nan", "'nan' is not of type 'number'"),
        ("hours", 8761, "8761 is greater than the maximum of 8760"),
        ("hours", 0.5, "0.5 is not of type 'integer'"),
    ],
)
def test_a_value_that_is_not_accepted_is_named_with_what_is(lakehouse, name, value, message):
    assert _invalid_parameter(HOURS if name == "hours" else lakehouse, {name: value}) == (name, message)


def test_values_within_the_bounds_are_accepted_and_the_dag_is_left_as_it_is(lakehouse):
    assert _invalid_parameter(lakehouse, {"consent_policy": "reading_time", "max_lost": 1}) is None
    assert lakehouse.params["consent_policy"] == "customer"
