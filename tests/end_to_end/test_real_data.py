"""The whole DAG on the public STEDI data, where it is present: the known results, under each policy and match."""

import pytest

KNOWN = {
    ("customer", "customer_and_time"): [482, 40_981, 482, 14_460, 40_981],
    ("customer", "time"): [482, 40_981, 482, 14_460, 43_681],
    ("reading_time", "customer_and_time"): [482, 32_025, 464, 11_297, 32_025],
}
JOBS = ["customer_trusted", "accelerometer_trusted", "customers_curated", "step_trainer_trusted"]
JOBS += ["machine_learning_curated"]


@pytest.mark.parametrize(("consent_policy", "match_on"), KNOWN)
def test_the_known_results(lake, real_data, consent_policy, match_on):
    # The first of them may meet another test's lake: it starts from an empty one, the others deliver nothing new.
    keep = [] if (consent_policy, match_on) == ("customer", "customer_and_time") else ["--keep"]
    summary = lake.run(real_data, "--consent-policy", consent_policy, "--match-on", match_on, *keep)
    landed = [summary["tables"][f"{source}_landing"] for source in ("customer", "accelerometer", "step_trainer")]
    assert landed == [956, 81_273, 28_680]
    assert [summary["tables"][job] for job in JOBS] == KNOWN[consent_policy, match_on]
    pairings = next(check["figures"] for check in summary["checks"] if check["check"] == "one_person_a_row")
    assert pairings["of_two_people"] == (2_700 if match_on == "time" else 0)
