"""Athena asked through boto3, as every client does."""

import time
import uuid

from local_aws.settings import ACCESS_KEY


class QueryFailed(Exception):
    """A query that ended otherwise than SUCCEEDED: its text is Athena's reason."""


class Athena:
    """One database, and the queries on it."""

    def __init__(self, aws, bucket, database, key=ACCESS_KEY):
        self.client = aws.client("athena", key)
        self.bucket = bucket
        self.database = database

    def start(self, sql, **request):
        request.setdefault("ResultConfiguration", {"OutputLocation": f"s3://{self.bucket}/results/"})
        context = {"Database": self.database}
        return self.client.start_query_execution(QueryString=sql, QueryExecutionContext=context, **request)[
            "QueryExecutionId"
        ]

    def execution(self, number):
        return self.client.get_query_execution(QueryExecutionId=number)["QueryExecution"]

    def wait(self, number):
        while (execution := self.execution(number))["Status"]["State"] in ("QUEUED", "RUNNING"):
            time.sleep(0.02)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise QueryFailed(execution["Status"]["StateChangeReason"])
        return execution

    def results(self, number):
        pages = self.client.get_paginator("get_query_results").paginate(QueryExecutionId=number)
        return [[v.get("VarCharValue") for v in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]

    def query(self, sql, **request):
        """The rows of the answer, as text; without the first one of a query, which repeats the columns' names."""
        number = self.start(sql, **request)
        execution = self.wait(number)
        rows = self.results(number)
        return rows[1:] if execution["StatementType"] == "DML" else rows

    def value(self, expression):
        """What an expression comes to."""
        return self.query(f"select {expression}")[0][0]

    def landing(self, columns, *files, properties=""):
        """A table of JSON lines with these columns over these files' contents; gives its name."""
        name = f"landing_{uuid.uuid4().hex[:8]}"
        s3 = self.client_of("s3")
        for number, content in enumerate(files):
            suffix = ".json.gz" if content[:2] == b"\x1f\x8b" else ".json"
            s3.put_object(Bucket=self.bucket, Key=f"{name}/{number}{suffix}", Body=content)
        self.query(
            f"create external table {name} ({columns}) row format serde 'org.openx.data.jsonserde.JsonSerDe' "
            f"{properties} location 's3://{self.bucket}/{name}/'"
        )
        return name

    def text(self, *files, columns="line string", row_format="", suffix=""):
        """A table of delimited text over these files' contents, packed ones under a name that says so; its name."""
        name = f"text_{uuid.uuid4().hex[:8]}"
        s3 = self.client_of("s3")
        for number, content in enumerate(files):
            packed = ".gz" if content[:2] == b"\x1f\x8b" else suffix
            s3.put_object(Bucket=self.bucket, Key=f"{name}/{number}{packed}", Body=content)
        self.query(f"create external table {name} ({columns}) {row_format} location 's3://{self.bucket}/{name}/'")
        return name

    def iceberg(self, columns, partitioned=""):
        """An empty Iceberg table with these columns; gives its name."""
        name = f"iceberg_{uuid.uuid4().hex[:8]}"
        self.query(
            f"create table {name} ({columns}) {partitioned} location 's3://{self.bucket}/warehouse/{name}/' "
            "tblproperties ('table_type'='ICEBERG', 'format'='parquet', 'write_compression'='zstd')"
        )
        return name
