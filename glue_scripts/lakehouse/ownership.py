"""Whose device is it? Decided once for each device, and by the readings: the website's serial numbers cannot be
trusted, the devices' own can. docs/rules.md states the rules."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.people import person_key

# How the owner of a device was decided,
WEBSITE_CONFIRMED = "website_confirmed"  # the readings confirm the website
READINGS = "readings"  # the readings correct the website
WEBSITE = "website"  # the readings cannot tell; the website's word
# or why it has none.
OWNER_UNKNOWN = "owner_unknown"  # nobody is in question
OWNER_AMBIGUOUS = "owner_ambiguous"  # several people are

#: Without a claim of the website, a person's readings show them to be the owner from this many instants on.
MIN_INSTANTS = 5

#: At how many of a device's rarest instants, beyond the tenth that an owner may miss, somebody must be present to be
#: tested at all of them. More of it leaves fewer people to test, and takes more pairs to find them.
EVIDENCE = 3


def _covers() -> Column:
    """At least 90 %, in whole numbers."""
    return F.col("covered") * 10 >= F.col("instants") * 9


def presences(readings: DataFrame, run_id: str) -> DataFrame:
    """(person, instant), each once: who has an accelerometer reading when; ``person`` is a person_key."""
    return readings.select(person_key(run_id, "user").alias("person"), F.col("timestamp").alias("instant")).distinct()


def claims(customers: DataFrame, run_id: str) -> DataFrame:
    """(person, serialnumber), each once: to whom the website gave which device; ``person`` is a person_key."""
    return customers.select(person_key(run_id, "email").alias("person"), "serialnumber").distinct()


def _tested(pairs: DataFrame, presences: DataFrame) -> DataFrame:
    """(serialnumber, person, instants, covered) of each pair of a device and a person in ``pairs`` (serialnumber,
    instant, person): the device's different instants, and those of them at which the person is present."""
    return (
        pairs.repartition("person", "instant")  # shuffled once, for both the different instants and the join
        .distinct()
        .join(presences.withColumn("_present", F.lit(True)), on=["person", "instant"], how="left")
        .groupBy("serialnumber", "person")
        .agg(F.count("*").alias("instants"), F.count("_present").alias("covered"))
    )


def _candidates(devices: DataFrame, device_instants: DataFrame, presences: DataFrame) -> DataFrame:
    """(serialnumber, person): for each of ``devices`` (serialnumber, instants) everybody who may cover 90 % of it.

    Such a person misses at most a tenth of the instants, so they are present at EVIDENCE of any tenth and EVIDENCE of
    them. Those at which the fewest people are present give the fewest pairs: an instant that everybody has, such as a
    clock's default, is not looked at.
    """
    people = presences.groupBy("instant").agg(F.count("*").alias("people"))
    fewest_first = Window.partitionBy("serialnumber").orderBy(F.col("people").asc_nulls_first(), "instant")
    may_miss = F.floor(F.col("instants") / 10)
    return (
        devices.join(device_instants, on="serialnumber", how="inner")
        .join(people, on="instant", how="left")
        .withColumn("_rank", F.row_number().over(fewest_first))
        .where(F.col("_rank") <= may_miss + EVIDENCE)
        .join(presences, on="instant", how="inner")
        .groupBy("serialnumber", "person")
        .agg(F.count("*").alias("covered"))
        .where(F.col("covered") >= EVIDENCE)
        .select("serialnumber", "person")
    )


def device_ownership(steps: DataFrame, presences: DataFrame, claims: DataFrame) -> DataFrame:
    """Every device that reports steps, and whose it is.

    In: ``steps`` (serialnumber, sensorreadingtime), all that can be used; the ``presences`` and ``claims`` of everybody
    in the landing zone, each once. People without consent count too, so that their steps do not enter under another
    name.

    Out: a row a device. serialnumber; person, its owner, or null; source, how that was decided, one of the five above;
    instants, the number of different instants of its readings; covered, at how many of them the owner has an
    accelerometer reading, or null.

    The website's claims are tested at their own device's instants; all people are searched only for the devices that no
    claim explains. A Spark job finds out at once whether there are any.
    """
    device_instants = steps.select("serialnumber", F.col("sensorreadingtime").alias("instant"))
    devices = (
        # A device that nobody claims has one row, without a person, who covers nothing.
        _tested(device_instants.join(claims, on="serialnumber", how="left"), presences)
        .groupBy("serialnumber")
        .agg(
            F.max("instants").alias("instants"),
            F.count("person").alias("claimants"),
            F.count_if(_covers()).alias("confirmed"),
            # Read only where there is one claimant, or one who covers the device: then it is that one.
            F.max_by("person", "covered").alias("claimant"),
            F.max("covered").alias("claimant_covered"),
        )
        .persist()
    )
    unexplained = devices.where((F.col("confirmed") == 0) & (F.col("instants") >= MIN_INSTANTS))
    candidates = _candidates(unexplained.select("serialnumber", "instants"), device_instants.distinct(), presences)
    if unexplained.isEmpty():
        candidates = candidates.limit(0)  # else Spark would shuffle all presences before it finds out
    found = (
        _tested(device_instants.join(candidates, on="serialnumber", how="inner"), presences)
        .where(_covers())
        .groupBy("serialnumber")
        .agg(
            F.count("*").alias("people_found"),
            F.max_by("person", "covered").alias("found"),
            F.max("covered").alias("found_covered"),
        )
    )
    source = (
        F.when(F.col("confirmed") == 1, WEBSITE_CONFIRMED)
        .when(F.col("people_found") == 1, READINGS)
        .when((F.col("claimants") == 1) & (F.col("people_found") == 0), WEBSITE)
        .when((F.col("claimants") > 1) | (F.col("people_found") > 1), OWNER_AMBIGUOUS)
        .otherwise(OWNER_UNKNOWN)
    )
    by_claim, by_readings = F.col("source").isin(WEBSITE_CONFIRMED, WEBSITE), F.col("source") == READINGS
    return (
        devices.join(found, on="serialnumber", how="left")
        .fillna(0, ["people_found"])
        .withColumn("source", source)
        .select(
            "serialnumber",
            F.when(by_claim, F.col("claimant")).when(by_readings, F.col("found")).alias("person"),
            "source",
            "instants",
            F.when(by_claim, F.col("claimant_covered")).when(by_readings, F.col("found_covered")).alias("covered"),
        )
    )


def device_owners(ownership: DataFrame, people: DataFrame) -> DataFrame:
    """The rows of the table device_owners: those of ``ownership`` (see device_ownership) whose owner is among
    ``people`` (person, email), the curated customers. ``email`` is trimmed and in lower case."""
    return ownership.join(people, on="person", how="inner").select(
        "serialnumber", "email", "source", "instants", "covered"
    )
