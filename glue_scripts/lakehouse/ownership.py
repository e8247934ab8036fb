"""Whose device is it? Decided once for each device, and by the readings: the website's serial numbers cannot be
trusted, the devices' own can. docs/rules.md states the rules."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.people import person

# How the owner of a device was decided,
WEBSITE_CONFIRMED = "website_confirmed"  # the readings confirm the website
READINGS = "readings"  # the readings correct the website
WEBSITE = "website"  # the readings cannot tell; the website's word
# or why it has none.
OWNER_UNKNOWN = "owner_unknown"  # nobody is in question
OWNER_AMBIGUOUS = "owner_ambiguous"  # several people are

#: Without a claim of the website, a person's readings show them to be the owner from this many instants on.
MIN_INSTANTS = 5


def _covers() -> Column:
    """At least 90 %, in whole numbers."""
    return F.col("covered") * 10 >= F.col("instants") * 9


def _different(records: DataFrame, *keys: Column) -> DataFrame:
    """The different values of ``keys``, none of them null. Joins would drop the null ones by themselves, but each in a
    plan of its own; so all uses are one plan, which Spark computes once."""
    rows = records.select(*keys)
    return rows.where(" and ".join(f"{name} is not null" for name in rows.columns)).distinct()


def _tested(pairs: DataFrame, device_instants: DataFrame, presences: DataFrame) -> DataFrame:
    """(serialnumber, person, instants, covered) of each pair of a device and a person; pairs of a serial number that no
    device reports are dropped."""
    return (
        pairs.join(device_instants, on="serialnumber", how="inner")
        .join(presences.withColumn("_present", F.lit(True)), on=["person", "instant"], how="left")
        .groupBy("serialnumber", "person")
        .agg(F.count("*").alias("instants"), F.count("_present").alias("covered"))
    )


def _candidates(devices: DataFrame, device_instants: DataFrame, presences: DataFrame) -> DataFrame:
    """(serialnumber, person): for each of ``devices`` (serialnumber, instants) everybody who may cover 90 % of it.

    Such a person misses at most a tenth of the instants, also of any half of them. The half at which the fewest people
    are present gives the fewest pairs: an instant that everybody has, such as a clock's default, is not looked at.
    """
    people = presences.groupBy("instant").agg(F.count("*").alias("people"))
    fewest_first = Window.partitionBy("serialnumber").orderBy(F.col("people").asc_nulls_first(), "instant")
    half = F.ceil(F.col("instants") / 2)
    return (
        devices.join(device_instants, on="serialnumber", how="inner")
        .join(people, on="instant", how="left")
        .withColumn("_rank", F.row_number().over(fewest_first))
        .where(F.col("_rank") <= half)
        .join(presences, on="instant", how="inner")
        .groupBy("serialnumber", "person", "instants")
        .agg(F.count("*").alias("covered"))
        .where((half - F.col("covered")) * 10 <= F.col("instants"))
        .select("serialnumber", "person")
    )


def device_ownership(steps: DataFrame, readings: DataFrame, customers: DataFrame) -> DataFrame:
    """Every device that reports steps, and whose it is, from all used records of the three landing tables.

    In: ``steps`` (serialnumber, sensorreadingtime), ``readings`` (user, timestamp), ``customers`` (email,
    serialnumber). People without consent count too, so that their steps do not enter under somebody else's name.

    Out: a row a device. serialnumber; person, its owner, or null; source, how that was decided, one of the five above;
    instants, the number of different instants of its readings; covered, at how many of them the owner has an
    accelerometer reading, or null.

    The website's claims are tested at their own device's instants; all people are searched only for the devices that no
    claim explains.
    """
    device_instants = _different(steps, F.col("serialnumber"), F.col("sensorreadingtime").alias("instant"))
    presences = _different(readings, person("user").alias("person"), F.col("timestamp").alias("instant"))
    claims = _different(customers, F.col("serialnumber"), person("email").alias("person"))

    claimed = (
        _tested(claims, device_instants, presences)
        .groupBy("serialnumber")
        .agg(
            F.count("*").alias("claimants"),
            F.count_if(_covers()).alias("confirmed"),
            # Read only where there is one claimant, or one who covers the device: then it is that one.
            F.max_by("person", "covered").alias("claimant"),
            F.max("covered").alias("claimant_covered"),
        )
    )
    devices = (
        device_instants.groupBy("serialnumber")
        .agg(F.count("*").alias("instants"))
        .join(claimed, on="serialnumber", how="left")
        .fillna(0, ["claimants", "confirmed"])
    )
    unexplained = devices.where((F.col("confirmed") == 0) & (F.col("instants") >= MIN_INSTANTS))
    found = (
        _tested(
            _candidates(unexplained.select("serialnumber", "instants"), device_instants, presences),
            device_instants,
            presences,
        )
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


def device_owners(ownership: DataFrame, curated: DataFrame) -> DataFrame:
    """The rows of the table device_owners: those of ``ownership`` (see device_ownership) whose owner is in ``curated``
    (customers_curated). ``email`` is the owner, trimmed and in lower case."""
    people = curated.select(person("email").alias("person")).distinct()
    return ownership.join(people, on="person", how="inner").select(
        "serialnumber", F.col("person").alias("email"), "source", "instants", "covered"
    )
