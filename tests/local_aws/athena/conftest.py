import pytest
from athena_client import Athena


@pytest.fixture(scope="session")
def athena(aws):
    bucket, database = "athena-tests", "tests"
    aws.client("s3").create_bucket(Bucket=bucket)
    athena = Athena(aws, bucket, "default")
    athena.client_of = aws.client
    athena.query(f"create database {database}")
    athena.database = database
    return athena
