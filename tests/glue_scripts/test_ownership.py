from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F  # noqa: N812
from records import NOON, OTHER_SERIAL, SERIAL, customer, frame, reading, step, typed_frame

from accelerometer_trusted import accelerometer_trusted
from customer_trusted import customer_trusted
from customers_curated import customers_curated
from lakehouse.outcomes import kept
from lakehouse.ownership import claims, device_owners, device_ownership, presences
from lakehouse.people import person_key
from machine_learning_curated import machine_learning_curated, readings_of_people, steps_of_people
from step_trainer_trusted import curated_people, step_trainer_trusted

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


def ownership(spark, steps, readings, customers):
    return device_ownership(
        frame(spark, "step_trainer", *steps),
        presences(frame(spark, "accelerometer", *readings), "run"),
        claims(frame(spark, "customer", *customers), "run"),
    )


def decided(spark, steps, readings, customers, people=(ADA, BOB, EVE)):
    """{device: (owner, source, instants, covered)}"""
    rows = ownership(spark, steps, readings, customers).collect()
    assert len(rows) == len({row.serialnumber for row in rows})
    emails = typed_frame(spark, {"email": "string"}, *({"email": email} for email in people))
    by_key = {row[0]: row[1] for row in emails.select(person_key("run", "email"), "email").collect()} | {None: None}
    return {row.serialnumber: (by_key[row.person], row.source, row.instants, row.covered) for row in rows}


def steps_at(instants, serialnumber=SERIAL):
    return [step(NOON + instant, serialnumber) for instant in instants]


def readings_at(instants, user=ADA):
    return [reading(user, NOON + instant) for instant in instants]


# 1. the website's claim, confirmed


def test_the_only_claimant_who_covers_the_device_is_its_owner(spark):
    customers = [customer(ADA), customer(BOB)]
    readings = readings_at(range(10)) + readings_at(range(8), BOB)
    assert decided(spark, steps_at(range(10)), readings, customers) == {SERIAL: (ADA, "website_confirmed", 10, 10)}


def test_a_claim_is_confirmed_from_90_percent_of_the_instants_on(spark):
    steps = steps_at(range(10)) + steps_at(range(100, 120), OTHER_SERIAL)
    customers = [customer(ADA), customer(BOB, serialnumber=OTHER_SERIAL)]
    readings = readings_at(range(9)) + readings_at(range(100, 117), BOB)
    assert decided(spark, steps, readings, customers) == {
        SERIAL: (ADA, "website_confirmed", 10, 9),
        OTHER_SERIAL: (BOB, "website", 20, 17),
    }


def test_a_claim_is_confirmed_by_a_single_instant(spark):
    assert decided(spark, steps_at([0]), readings_at([0]), [customer(ADA)]) == {
        SERIAL: (ADA, "website_confirmed", 1, 1)
    }


def test_a_confirmed_claim_stands_when_somebody_else_covers_the_device_too(spark):
    readings = readings_at(range(10)) + readings_at(range(10), BOB)
    assert decided(spark, steps_at(range(10)), readings, [customer(ADA)]) == {
        SERIAL: (ADA, "website_confirmed", 10, 10)
    }


def test_a_superseded_record_claims_its_device_too(spark):
    customers = [customer(ADA), customer(ADA, serialnumber=OTHER_SERIAL, lastupdatedate=NOON + 1)]
    assert decided(spark, steps_at([0]), readings_at([0]), customers) == {SERIAL: (ADA, "website_confirmed", 1, 1)}


def test_a_person_is_the_same_in_any_case_and_with_spaces(spark):
    customers = [customer(" ADA@example.com"), customer("Ada@Example.com ", lastupdatedate=NOON + 1)]
    readings = readings_at([0], "ADA@EXAMPLE.COM ") + readings_at([1])
    assert decided(spark, steps_at([0, 1]), readings, customers) == {SERIAL: (ADA, "website_confirmed", 2, 2)}


def test_an_instant_counts_once_however_often_it_is_delivered(spark):
    steps = [*steps_at([0, 0, 1]), step(NOON, distancefromobject=9)]
    assert decided(spark, steps, readings_at([0, 0, 1]), [customer(ADA)]) == {SERIAL: (ADA, "website_confirmed", 2, 2)}


# 2. the website, corrected


@pytest.mark.parametrize("claims", [[], [customer(BOB)], [customer(BOB), customer(EVE)]])
def test_without_a_confirmed_claim_the_only_person_who_covers_the_device_is_its_owner(spark, claims):
    assert decided(spark, steps_at(range(10)), readings_at(range(9)), claims) == {SERIAL: (ADA, "readings", 10, 9)}


def test_readings_alone_show_an_owner_from_five_instants_on(spark):
    steps = steps_at(range(5)) + steps_at(range(100, 104), OTHER_SERIAL)
    readings = readings_at(range(5)) + readings_at(range(100, 104), BOB)
    assert decided(spark, steps, readings, []) == {
        SERIAL: (ADA, "readings", 5, 5),
        OTHER_SERIAL: (None, "owner_unknown", 4, None),
    }


def test_readings_alone_show_an_owner_from_90_percent_of_the_instants_on(spark):
    assert decided(spark, steps_at(range(20)), readings_at(range(17)), []) == {
        SERIAL: (None, "owner_unknown", 20, None)
    }


def test_it_does_not_matter_which_tenth_of_the_instants_the_owner_misses(spark):
    steps, readings = [], []
    for missed in range(10):
        instants = range(100 * missed, 100 * missed + 10)
        steps += steps_at(instants, f"device {missed}")
        readings += readings_at(set(instants) - {instants[missed]}) + readings_at(instants[:5], BOB)
    owner = (ADA, "readings", 10, 9)
    assert decided(spark, steps, readings, []) == {f"device {missed}": owner for missed in range(10)}


def test_shared_serial_numbers_do_not_hide_whose_the_devices_are(spark):
    customers = [customer(ADA), customer(BOB), customer(EVE)]
    steps = steps_at(range(10)) + steps_at(range(10, 20), OTHER_SERIAL)
    readings = readings_at(range(10)) + readings_at(range(10, 20), BOB)
    assert decided(spark, steps, readings, customers) == {
        SERIAL: (ADA, "website_confirmed", 10, 10),
        OTHER_SERIAL: (BOB, "readings", 10, 10),
    }


# 3. the website's word


@pytest.mark.parametrize("readings", [[], readings_at([0])])
def test_a_device_whose_readings_show_nobody_is_its_only_claimants(spark, readings):
    assert decided(spark, steps_at(range(10)), readings, [customer(ADA)]) == {
        SERIAL: (ADA, "website", 10, len(readings))
    }


def test_somebody_who_covers_too_few_instants_does_not_unsettle_the_only_claim(spark):
    assert decided(spark, steps_at(range(4)), readings_at(range(4), BOB), [customer(ADA)]) == {
        SERIAL: (ADA, "website", 4, 0)
    }


# 4. unknown


@pytest.mark.parametrize(
    ("readings", "customers"),
    [
        (readings_at(range(9)) + readings_at(range(10), BOB), [customer(ADA), customer(BOB)]),
        (readings_at(range(10)) + readings_at(range(10), BOB), []),
        (readings_at(range(10)) + readings_at(range(10), BOB), [customer(EVE)]),
        ([], [customer(ADA), customer(BOB)]),
    ],
    ids=["two claims confirmed", "two shown by readings", "two shown against the website", "two claims unconfirmed"],
)
def test_a_device_with_several_people_in_question_is_nobodys(spark, readings, customers):
    assert decided(spark, steps_at(range(10)), readings, customers) == {SERIAL: (None, "owner_ambiguous", 10, None)}


def test_a_device_with_nobody_in_question_is_unknown(spark):
    customers = [customer(ADA, serialnumber=OTHER_SERIAL)]
    assert decided(spark, steps_at(range(10)), readings_at([0]), customers) == {
        SERIAL: (None, "owner_unknown", 10, None)
    }


# The table


def test_device_owners_are_the_owners_who_are_curated_once_a_device(spark):
    steps = steps_at(range(10)) + steps_at(range(10, 20), OTHER_SERIAL)
    readings = readings_at(range(10)) + readings_at(range(10, 20), BOB)
    curated = frame(spark, "customer", customer(" ADA@example.com"), customer(ADA, serialnumber=OTHER_SERIAL))
    rows = device_owners(ownership(spark, steps, readings, [customer(ADA)]), curated_people(curated, "run"))
    assert rows.columns == ["serialnumber", "email", "source", "instants", "covered"]
    assert [tuple(row) for row in rows.collect()] == [(SERIAL, ADA, "website_confirmed", 10, 10)]


# Whatever the readings and claims are


PEOPLE = [ADA, BOB, EVE]
DEVICES = [SERIAL, OTHER_SERIAL, "third", "fourth", "fifth"]
PRESENCES = st.dictionaries(st.sampled_from(PEOPLE), st.sets(st.integers(0, 11), max_size=12))
STEPS = st.dictionaries(st.sampled_from(DEVICES), st.sets(st.integers(0, 11), min_size=1, max_size=12), min_size=3)
CLAIMS = st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(DEVICES)))
#: Several at once, since a query of Spark takes longer than its rows.
WORLDS = st.lists(st.tuples(STEPS, PRESENCES, CLAIMS), min_size=4, max_size=4)
FEW = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
NEW = "new@example.com"


def decided_for(spark, worlds):
    """What is decided in each world, which shares no person, device or instant with the others."""
    people = {f"{number}{person}": person for number in range(len(worlds)) for person in (*PEOPLE, NEW)}
    steps, readings, customers = [], [], []
    for number, (devices, present, claimed) in enumerate(worlds):
        at = 1000 * number
        for device, instants in devices.items():
            steps += steps_at([at + instant for instant in instants], f"{number}{device}")
        for user, instants in present.items():
            readings += readings_at([at + instant for instant in instants], f"{number}{user}")
        customers += [customer(f"{number}{email}", serialnumber=f"{number}{device}") for email, device in claimed]
    found = [{} for _ in worlds]
    for device, (owner, *rest) in decided(spark, steps, readings, customers, people).items():
        found[int(device[0])][device[1:]] = (owner and people[owner], *rest)
    return found


def by_the_rules(instants, presences, claimants):
    """A device's (owner, source), with every person compared at every instant."""
    covering = {user for user in presences if len(presences[user] & instants) / len(instants) >= 0.9}
    shown = covering if len(instants) >= 5 else set()
    if len(claimants & covering) == 1:
        return min(claimants & covering), "website_confirmed"
    if not claimants & covering and len(shown) == 1:
        return min(shown), "readings"
    if len(claimants) == 1 and not shown:
        return min(claimants), "website"
    return None, "owner_ambiguous" if len(claimants) > 1 or len(shown) > 1 else "owner_unknown"


@FEW
@given(WORLDS)
def test_every_device_has_the_one_owner_that_comparing_everything_gives(spark, worlds):
    for (steps, present, claimed), found in zip(worlds, decided_for(spark, worlds), strict=True):
        assert {device: row[:2] for device, row in found.items()} == {
            device: by_the_rules(instants, present, {email for email, of in claimed if of == device})
            for device, instants in steps.items()
        }


@pytest.mark.exhaustive
@FEW
@given(WORLDS, st.permutations(PEOPLE))
def test_who_is_called_what_does_not_matter(spark, worlds, others):
    other = dict(zip(PEOPLE, others, strict=True)) | {None: None}
    renamed = [
        (
            steps,
            {other[user]: instants for user, instants in presences.items()},
            {(other[email], device) for email, device in claims},
        )
        for steps, presences, claims in worlds
    ]
    assert decided_for(spark, renamed) == [
        {device: (other[owner], *rest) for device, (owner, *rest) in found.items()}
        for found in decided_for(spark, worlds)
    ]


@pytest.mark.exhaustive
@FEW
@given(WORLDS, st.sets(st.integers(0, 11)))
def test_a_new_person_without_a_claim_takes_no_confirmed_device(spark, worlds, instants):
    more = [(steps, presences | {NEW: instants}, claims) for steps, presences, claims in worlds]
    for before, after in zip(decided_for(spark, worlds), decided_for(spark, more), strict=True):
        confirmed = {device for device, row in before.items() if row[1] == "website_confirmed"}
        assert {device: after[device] for device in confirmed} == {device: before[device] for device in confirmed}


# The public data set


@pytest.fixture(scope="module")
def real(spark, real_data):
    """Landing folder -> its records."""
    sources = {}
    for folder in ("customer", "accelerometer", "step_trainer"):
        records = spark.read.json(str(real_data / folder))
        sources[folder] = records.toDF(*(name.lower() for name in records.columns)).persist()
    return sources


def built(customers, readings, steps):
    """({source: devices}, owners in device_owners, step_trainer_trusted, machine_learning_curated as counted rows)"""
    trusted = kept(customer_trusted(customers)).persist()
    trusted_readings = kept(accelerometer_trusted(readings, trusted, "customer")).persist()
    curated = kept(customers_curated(trusted, trusted_readings)).persist()
    whose = device_ownership(steps, presences(readings, "run"), claims(customers, "run")).persist()
    people = curated_people(curated, "run").persist()
    trusted_steps = kept(step_trainer_trusted(steps, whose, people, "customer")).persist()
    owners = device_owners(whose, people).persist()
    measurements = machine_learning_curated(
        steps_of_people(trusted_steps, owners), readings_of_people(trusted_readings)
    )
    return (
        {row.source: row["count"] for row in whose.groupBy("source").count().collect()},
        {(row.serialnumber, row.email) for row in owners.collect()},
        Counter(trusted_steps.collect()),
        Counter(measurements.collect()),
    )


@pytest.fixture(scope="module")
def as_delivered(real):
    return built(real["customer"], real["accelerometer"], real["step_trainer"])


@pytest.mark.exhaustive
def test_the_real_data_confirms_the_website(as_delivered):
    sources, owners, steps, measurements = as_delivered
    assert sources == {"website_confirmed": 956}
    assert (len(owners), steps.total(), measurements.total()) == (482, 14_460, 40_981)


@pytest.mark.exhaustive
@pytest.mark.parametrize("of_real_devices", [False, True])
def test_the_real_data_gives_the_same_rows_when_all_customers_share_30_serial_numbers(
    real, as_delivered, of_real_devices
):
    serials = [f"shared-{number}" for number in range(30)]
    if of_real_devices:
        serials = sorted(row.serialnumber for row in real["customer"].select("serialnumber").collect())[:30]
    one_of_them = F.element_at(F.array(*map(F.lit, serials)), F.abs(F.hash("email")) % 30 + 1)
    customers = real["customer"].withColumn("serialnumber", one_of_them)
    sources, *rows = built(customers, real["accelerometer"], real["step_trainer"])
    assert sources["readings"] >= 956 - 30
    assert sum(sources.get(source, 0) for source in ("readings", "website_confirmed")) == 956
    assert rows == list(as_delivered[1:])
