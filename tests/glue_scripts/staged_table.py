"""A table with numbers, which runs stage and publish."""

import uuid

from pyspark.sql import functions as F  # noqa: N812

from lakehouse import staging


class Table:
    """A table with numbers, and runs that write to it."""

    def __init__(self, spark):
        self.spark = spark
        self.table = f"t{uuid.uuid4().hex}"
        self.name = f"glue_catalog.staging.{self.table}"
        spark.sql(f"CREATE TABLE {self.name} (number int) USING iceberg")

    @property
    def iceberg(self):
        return staging.iceberg_table(self.spark, self.name)

    def main(self):
        snapshot = self.iceberg.currentSnapshot()
        return snapshot and snapshot.snapshotId()

    def begin(self, run, base=None):
        staging.start_branch(self.iceberg, run, base)

    def stage(self, run, *numbers, base=None):
        """A run stages numbers; gives the snapshot."""
        self.begin(run, base)
        # A file for each number.
        rows = self.spark.sparkContext.parallelize([(number,) for number in numbers], len(numbers)).toDF("number int")
        branch = f"{self.name}.branch_{staging.branch_name(run)}"
        write = rows.writeTo(branch).option("distribution-mode", "none")
        write.option("snapshot-property.run_id", run).overwrite(F.lit(True))
        return staging.staged(self.iceberg, run).snapshot_id

    def publish(self, run, audited, base=None):
        found = staging.check_unmoved(self.iceberg, run, base, audited)
        staging.publish(self.iceberg, run, found.snapshot_id)

    def release(self, run, *numbers):
        """A run stages and publishes numbers; gives the snapshot."""
        base = self.main()
        snapshot = self.stage(run, *numbers, base=base)
        self.publish(run, snapshot, base)
        return snapshot

    def rows(self, reference=""):
        return sorted(row.number for row in self.spark.table(f"{self.name}{reference}").collect())
