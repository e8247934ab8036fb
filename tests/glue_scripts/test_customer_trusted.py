from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import NOON, OTHER_SERIAL, SERIAL, customer, frame, outcomes

from customer_trusted import COLUMNS, customer_trusted


def judged(spark, *customers):
    return customer_trusted(frame(spark, "customer", *customers))


def test_a_customer_who_agreed_is_kept(spark):
    assert outcomes(judged(spark, customer()), "email") == [("ada@example.com", "kept", None)]


def test_a_customer_is_left_out_when_the_consent_date_is_absent_or_zero(spark):
    customers = [customer("a@x", sharewithresearchasofdate=None), customer("b@x", sharewithresearchasofdate=0)]
    assert outcomes(judged(spark, *customers), "email") == [
        ("a@x", "filtered", "no_consent"),
        ("b@x", "filtered", "no_consent"),
    ]


def test_sharing_with_friends_or_the_public_is_not_consent_to_research(spark):
    shared = customer(sharewithresearchasofdate=None, sharewithpublicasofdate=NOON, sharewithfriendsasofdate=NOON)
    assert outcomes(judged(spark, shared)) == [("filtered", "no_consent")]


def test_of_a_person_and_serial_number_the_record_updated_last_is_kept(spark):
    old, new = customer(phone="old"), customer(phone="new", lastupdatedate=NOON + 1)
    assert outcomes(judged(spark, new, old), "phone") == [("new", "kept", None), ("old", "superseded", None)]


def test_a_later_record_without_consent_withdraws_the_person(spark):
    withdrawal = customer(lastupdatedate=NOON + 1, sharewithresearchasofdate=None)
    assert outcomes(judged(spark, customer(), withdrawal)) == [("filtered", "no_consent"), ("superseded", None)]


def test_a_withdrawal_takes_out_the_persons_other_devices_too(spark):
    withdrawal = customer(serialnumber=OTHER_SERIAL, lastupdatedate=NOON + 1, sharewithresearchasofdate=None)
    assert outcomes(judged(spark, customer(), withdrawal)) == [("filtered", "no_consent")] * 2


def test_a_person_with_two_devices_keeps_a_record_for_each(spark):
    second = customer(serialnumber=OTHER_SERIAL, lastupdatedate=NOON + 1)
    assert outcomes(judged(spark, customer(), second), "serialnumber") == [
        (SERIAL, "kept", None),
        (OTHER_SERIAL, "kept", None),
    ]


def test_an_email_in_another_case_or_with_spaces_is_the_same_person(spark):
    withdrawal = customer(" ADA@Example.com ", lastupdatedate=NOON + 1, sharewithresearchasofdate=None)
    assert outcomes(judged(spark, customer(), withdrawal)) == [("filtered", "no_consent"), ("superseded", None)]


def test_a_redelivered_record_counts_once(spark):
    assert outcomes(judged(spark, customer(), customer())) == [("duplicate", None), ("kept", None)]


def test_of_two_records_updated_in_one_millisecond_the_one_without_consent_decides(spark):
    assert outcomes(judged(spark, customer(), customer(sharewithresearchasofdate=None))) == [
        ("filtered", "no_consent"),
        ("superseded", None),
    ]


def test_the_table_has_the_columns_of_the_source_in_lower_case(spark):
    assert judged(spark, customer()).columns == [*COLUMNS, "copies", "outcome", "reason"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            customer,
            email=st.sampled_from(["a@x", "A@x ", "b@x"]),
            serialnumber=st.sampled_from([SERIAL, OTHER_SERIAL]),
            lastupdatedate=st.integers(1, 3),
            sharewithresearchasofdate=st.sampled_from([None, 0, 1, 2]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_record_gets_one_outcome_and_nobody_is_kept_whose_latest_record_lacks_consent(spark, customers):
    rows = outcomes(judged(spark, *customers), "email", "serialnumber")
    assert len(rows) == len(customers)
    kept = [(email.strip().lower(), serial) for email, serial, outcome, _ in rows if outcome == "kept"]
    assert len(kept) == len(set(kept))
    for person in {person for person, _ in kept}:
        own = [record for record in customers if record["email"].strip().lower() == person]
        latest = max(record["lastupdatedate"] for record in own)
        assert all(record["sharewithresearchasofdate"] for record in own if record["lastupdatedate"] == latest)
