from records import OTHER_SERIAL, customer, frame, outcomes, reading

from customers_curated import customers_curated


def judged(spark, customers, readings):
    return customers_curated(frame(spark, "customer", *customers), frame(spark, "accelerometer", *readings))


def test_customers_with_a_reading_are_kept_and_those_without_are_not(spark):
    customers = [customer("ada@example.com"), customer("bob@example.com")]
    assert outcomes(judged(spark, customers, [reading("ada@example.com")]), "email") == [
        ("ada@example.com", "kept", None),
        ("bob@example.com", "filtered", "no_reading"),
    ]


def test_many_readings_do_not_multiply_a_customer(spark):
    readings = [reading(x=0.0), reading(x=1.0), reading(" ADA@example.com")]
    assert outcomes(judged(spark, [customer()], readings)) == [("kept", None)]


def test_a_customer_with_two_devices_stays_with_both(spark):
    assert (
        outcomes(judged(spark, [customer(), customer(serialnumber=OTHER_SERIAL)], [reading()])) == [("kept", None)] * 2
    )
