import pytest

from stedi.delivery import SOURCES, LandingSourceError, deliver

TABLES = tuple(SOURCES.values())


@pytest.fixture
def source(tmp_path):
    """A landing directory with one small file in each folder."""
    for folder in SOURCES:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.json").write_text('{"a": 1}\n')
    return tmp_path


def delivered(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        for page in pages
        for item in page.get("Contents", [])
    }


def sent(counts):
    return {table: count["sent"] for table, count in counts.items()}


def test_every_file_goes_to_the_folder_of_its_table(s3, bucket, source):
    (source / "customer" / "2026" / "11").mkdir(parents=True)
    (source / "customer" / "2026" / "11" / "two.json").write_text("{}\n")
    counts = deliver(s3, str(source), bucket)
    assert counts["customer_landing"] == {"files": 2, "sent": 2}
    one_each = {f"{table}/one.json": b'{"a": 1}\n' for table in TABLES}
    assert delivered(s3, bucket) == one_each | {"customer_landing/2026/11/two.json": b"{}\n"}


def test_the_sample_is_delivered_by_its_name_wherever_the_task_runs(s3, bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = deliver(s3, "sample", bucket)
    assert all(count["sent"] > 0 for count in counts.values())


def test_an_unchanged_file_is_not_sent_again(s3, bucket, source):
    deliver(s3, str(source), bucket)
    assert sent(deliver(s3, str(source), bucket)) == dict.fromkeys(TABLES, 0)


def test_a_file_with_other_content_of_the_same_length_is_sent_again(s3, bucket, source):
    deliver(s3, str(source), bucket)
    (source / "customer" / "one.json").write_text('{"a": 2}\n')
    assert sent(deliver(s3, str(source), bucket)) == dict.fromkeys(TABLES, 0) | {"customer_landing": 1}
    assert delivered(s3, bucket)["customer_landing/one.json"] == b'{"a": 2}\n'


def test_what_was_delivered_before_stays(s3, bucket, source):
    deliver(s3, str(source), bucket)
    (source / "customer" / "one.json").rename(source / "customer" / "two.json")
    deliver(s3, str(source), bucket)
    assert {"customer_landing/one.json", "customer_landing/two.json"} <= set(delivered(s3, bucket))


def test_hidden_files_are_no_data(s3, bucket, source):
    (source / "customer" / ".DS_Store").write_text("x")
    (source / "customer" / "_SUCCESS").write_text("")
    assert deliver(s3, str(source), bucket)["customer_landing"]["files"] == 1


def test_a_prefix_in_s3_is_a_source_too(s3, bucket, source):
    origin = f"{bucket}-origin"
    s3.create_bucket(Bucket=origin)
    for folder in SOURCES:
        s3.put_object(Bucket=origin, Key=f"daily/{folder}/one.json", Body=b"{}\n")
    assert sent(deliver(s3, f"s3://{origin}/daily/", bucket)) == dict.fromkeys(TABLES, 1)
    assert sent(deliver(s3, f"s3://{origin}/daily", bucket)) == dict.fromkeys(TABLES, 0)
    s3.put_object(Bucket=origin, Key="daily/customer/one.json", Body=b'{"changed": true}\n')
    assert sent(deliver(s3, f"s3://{origin}/daily", bucket))["customer_landing"] == 1
    assert delivered(s3, bucket)["customer_landing/one.json"] == b'{"changed": true}\n'


KNOWN = r"The folders of a delivery are customer/, accelerometer/, step_trainer/"


@pytest.mark.parametrize("folder_is_there", [True, False])
def test_a_source_may_deliver_nothing(s3, bucket, source, caplog, folder_is_there):
    (source / "step_trainer" / "one.json").unlink()
    if not folder_is_there:
        (source / "step_trainer").rmdir()
    with caplog.at_level("INFO"):
        counts = deliver(s3, str(source), bucket)
    assert counts["step_trainer_landing"] == {"files": 0, "sent": 0}
    assert "step_trainer_landing delivers nothing" in caplog.text
    assert set(delivered(s3, bucket)) == {f"{table}/one.json" for table in TABLES if table != "step_trainer_landing"}


def test_a_folder_that_is_no_source_is_an_error_before_anything_is_sent(s3, bucket, source):
    (source / "acelerometer").mkdir()
    with pytest.raises(LandingSourceError, match=rf"has the folder acelerometer/, which is no source. {KNOWN}"):
        deliver(s3, str(source), bucket)
    assert delivered(s3, bucket) == {}


def test_a_delivery_without_the_folder_of_any_source_is_an_error(s3, bucket, tmp_path):
    (tmp_path / ".git").mkdir()
    with pytest.raises(LandingSourceError, match=rf"has no folder of a source. {KNOWN}"):
        deliver(s3, str(tmp_path), bucket)


def test_a_directory_that_does_not_exist_is_an_error(s3, bucket, tmp_path):
    with pytest.raises(LandingSourceError, match="nowhere is not a directory"):
        deliver(s3, str(tmp_path / "nowhere"), bucket)


def test_a_folder_in_s3_that_is_no_source_is_an_error(s3, bucket):
    s3.put_object(Bucket=bucket, Key="daily/customers/one.json", Body=b"{}\n")
    with pytest.raises(LandingSourceError, match=rf"has the folder customers/, which is no source. {KNOWN}"):
        deliver(s3, f"s3://{bucket}/daily", bucket)


def test_an_empty_prefix_in_s3_is_an_error(s3, bucket):
    with pytest.raises(LandingSourceError, match=rf"has no folder of a source. {KNOWN}"):
        deliver(s3, f"s3://{bucket}/nothing", bucket)


def test_a_file_beside_the_folders_is_not_delivered_and_the_log_says_so(s3, bucket, source, caplog):
    (source / "late.json").write_text("{}\n")
    deliver(s3, str(source), bucket)
    assert "Not delivered, since it is in no folder of a source: late.json" in caplog.text
