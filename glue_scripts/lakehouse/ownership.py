"""Whose device is it?"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.people import person


def device_owners(customers: DataFrame) -> DataFrame:
    """(serialnumber, owner, claims) of every device that a customer record names, from all customer records.

    ``claims`` is the number of people to whom the website gave the serial number. The owner is that person where it
    is one, else null: a device that several people could own is nobody's, never guessed and never multiplied. People
    without consent count here too, so that their readings do not enter under somebody else's name.
    """
    return (
        customers.groupBy("serialnumber")
        .agg(F.min(person("email")).alias("_anyone"), F.countDistinct(person("email")).alias("claims"))
        .select("serialnumber", F.when(F.col("claims") == 1, F.col("_anyone")).alias("owner"), "claims")
    )
