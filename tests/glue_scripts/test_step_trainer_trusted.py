from records import NOON, OTHER_SERIAL, customer, frame, outcomes, reading, step

from lakehouse.outcomes import kept
from lakehouse.ownership import claims, device_ownership, presences
from step_trainer_trusted import COLUMNS, curated_people, step_trainer_trusted


def judged(spark, steps, all_customers, curated, consent_policy="customer", readings=()):
    delivered = frame(spark, "step_trainer", *steps)
    ownership = device_ownership(
        delivered,
        presences(frame(spark, "accelerometer", *readings), "run"),
        claims(frame(spark, "customer", *all_customers), "run"),
    )
    people = curated_people(frame(spark, "customer", *curated), "run")
    return step_trainer_trusted(delivered, ownership, people, consent_policy)


def test_steps_of_a_curated_customers_device_are_kept(spark):
    assert outcomes(judged(spark, [step()], [customer()], [customer()])) == [("kept", None)]


def test_steps_of_a_customer_who_is_not_curated_are_left_out(spark):
    other = customer("bob@example.com", serialnumber=OTHER_SERIAL)
    steps = [step(serialnumber=OTHER_SERIAL)]
    assert outcomes(judged(spark, steps, [customer(), other], [customer()])) == [("filtered", "owner_not_curated")]


def test_steps_of_a_device_that_nobody_has_are_rejected(spark):
    steps = [step(serialnumber=OTHER_SERIAL)]
    assert outcomes(judged(spark, steps, [customer()], [customer()])) == [("rejected", "owner_unknown")]


def test_steps_of_a_device_that_two_people_have_are_rejected_even_when_one_of_them_did_not_agree(spark):
    without_consent = customer("bob@example.com", sharewithresearchasofdate=None)
    judged_steps = judged(spark, [step()], [customer(), without_consent], [customer()])
    assert outcomes(judged_steps) == [("rejected", "owner_ambiguous")]


def test_steps_of_a_person_without_consent_stay_out_when_a_customer_with_consent_has_their_serial_number(spark):
    without_consent = customer("bob@example.com", sharewithresearchasofdate=None)
    readings = [reading("bob@example.com"), reading("ada@example.com", NOON + 1)]
    judged_steps = judged(spark, [step()], [customer(), without_consent], [customer()], readings=readings)
    assert outcomes(judged_steps) == [("filtered", "owner_not_curated")]


def test_steps_of_a_person_without_any_customer_record_stay_out_when_a_customer_has_their_serial_number(spark):
    steps = [step(NOON + instant) for instant in range(5)]
    readings = [reading("bob@example.com", NOON + instant) for instant in range(5)]
    assert (
        outcomes(judged(spark, steps, [customer()], [customer()], readings=readings))
        == [("filtered", "owner_not_curated")] * 5
    )


def test_steps_go_by_their_owner_and_not_by_the_serial_number_in_the_customers_record(spark):
    steps = [step(NOON + instant) for instant in range(5)]
    customers = [customer(serialnumber=OTHER_SERIAL)]
    readings = [reading(timestamp=NOON + instant) for instant in range(5)]
    assert outcomes(judged(spark, steps, customers, customers, readings=readings)) == [("kept", None)] * 5


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


def test_the_judged_steps_have_the_tables_columns(spark):
    assert kept(judged(spark, [step()], [customer()], [customer()])).columns == COLUMNS
