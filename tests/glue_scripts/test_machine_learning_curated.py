from records import NOON, OTHER_SERIAL, SERIAL, frame, reading, step, typed_frame

from machine_learning_curated import (
    COLUMNS,
    count_matches,
    machine_learning_curated,
    readings_of_people,
    steps_of_people,
)

OWNERS = [(SERIAL, "ada@example.com"), (OTHER_SERIAL, "bob@example.com")]


def sides(spark, steps, readings, owners=OWNERS):
    types = {"serialnumber": "string", "email": "string"}
    device_owners = typed_frame(spark, types, *(dict(zip(types, owner, strict=True)) for owner in owners))
    return (
        steps_of_people(frame(spark, "step_trainer", *steps), device_owners),
        readings_of_people(frame(spark, "accelerometer", *readings)),
    )


def joined(spark, steps, readings):
    rows = machine_learning_curated(*sides(spark, steps, readings))
    return sorted((row.serialnumber, row.sensorreadingtime, row.x) for row in rows.collect())


def test_a_step_meets_all_readings_of_its_owner_at_the_same_instant(spark):
    readings = [reading(x=0.0), reading(x=1.0), reading(timestamp=NOON + 1)]
    assert joined(spark, [step()], readings) == [
        (step()["serialnumber"], NOON, 0.0),
        (step()["serialnumber"], NOON, 1.0),
    ]


def test_a_step_never_meets_a_reading_of_somebody_else(spark):
    assert joined(spark, [step()], [reading("bob@example.com")]) == []


def test_equal_readings_of_a_person_with_two_devices_stay_two_measurements(spark):
    owners = [(SERIAL, "ada@example.com"), (OTHER_SERIAL, "ada@example.com")]
    steps, readings = sides(spark, [step(), step(serialnumber=OTHER_SERIAL)], [reading()], owners)
    assert machine_learning_curated(steps, readings).count() == 2


def test_nothing_in_the_table_names_a_person(spark):
    rows = machine_learning_curated(*sides(spark, [step()], [reading()]))
    assert rows.columns == COLUMNS
    assert not {"customername", "email", "user", "person", "phone", "birthday"} & set(rows.columns)


def test_records_without_a_partner_are_counted_on_both_sides(spark):
    steps, readings = sides(spark, [step(), step(NOON + 5)], [reading(), reading("bob@example.com")])
    expected = [("kept", None, 1), ("filtered", "no_reading_at_instant", 1)]
    assert count_matches(steps, readings) == (expected, expected)


def test_records_that_share_person_and_instant_are_counted_each(spark):
    steps, readings = sides(spark, [step(), step(serialnumber=OTHER_SERIAL)], [reading(x=0.0), reading(x=1.0)])
    assert count_matches(steps, readings) == (
        [("kept", None, 1), ("filtered", "no_reading_at_instant", 1)],
        [("kept", None, 2)],
    )


def test_nothing_is_counted_of_no_records(spark):
    assert count_matches(*sides(spark, [], [])) == ([], [])
