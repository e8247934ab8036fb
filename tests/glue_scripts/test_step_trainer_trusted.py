from records import NOON, OTHER_SERIAL, customer, frame, outcomes, step
from step_trainer_trusted import step_trainer_trusted


def judged(spark, steps, all_customers, curated, consent_policy="customer"):
    return step_trainer_trusted(
        frame(spark, "step_trainer", *steps),
        frame(spark, "customer", *all_customers),
        frame(spark, "customer", *curated),
        consent_policy,
    )


def test_steps_of_a_curated_customers_device_are_kept(spark):
    assert outcomes(judged(spark, [step()], [customer()], [customer()])) == [("kept", None)]


def test_steps_of_a_customer_who_is_not_curated_are_left_out(spark):
    other = customer("bob@example.com", serialnumber=OTHER_SERIAL)
    steps = [step(serialnumber=OTHER_SERIAL)]
    assert outcomes(judged(spark, steps, [customer(), other], [customer()])) == [("filtered", "owner_not_curated")]


def test_steps_of_a_device_that_nobody_has_are_refused(spark):
    steps = [step(serialnumber=OTHER_SERIAL)]
    assert outcomes(judged(spark, steps, [customer()], [customer()])) == [("refused", "owner_unknown")]


def test_steps_of_a_device_that_two_people_have_are_refused_even_when_one_of_them_did_not_agree(spark):
    without_consent = customer("bob@example.com", sharewithresearchasofdate=None)
    judged_steps = judged(spark, [step()], [customer(), without_consent], [customer()])
    assert outcomes(judged_steps) == [("refused", "owner_ambiguous")]


def test_two_records_of_one_person_for_one_device_do_not_multiply_its_steps(spark):
    records = [customer(), customer(" ADA@example.com", lastupdatedate=NOON + 1)]
    assert outcomes(judged(spark, [step()], records, [customer()])) == [("kept", None)]


def test_a_redelivered_step_counts_once(spark):
    assert outcomes(judged(spark, [step(), step()], [customer()], [customer()])) == [
        ("duplicate", None),
        ("kept", None),
    ]


def test_a_device_has_one_distance_at_an_instant(spark):
    steps = [step(distancefromobject=300), step(distancefromobject=201)]
    assert outcomes(judged(spark, steps, [customer()], [customer()]), "distancefromobject") == [
        (201, "kept", None),
        (300, "superseded", None),
    ]


def test_under_reading_time_steps_before_the_owners_consent_are_left_out(spark):
    steps = [step(NOON - 1), step(NOON)]
    assert outcomes(judged(spark, steps, [customer()], [customer()], "reading_time"), "sensorreadingtime") == [
        (NOON - 1, "filtered", "before_consent"),
        (NOON, "kept", None),
    ]
