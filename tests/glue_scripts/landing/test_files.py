"""How files are decompressed, damaged or not."""

import gzip

from landing_files import STEP, USED, read, steps


def test_a_file_of_zero_bytes_has_no_records():
    assert read(b"") == read(b"", name="f.json.gz") == []


def test_a_gzip_file_is_decompressed_all_of_its_members():
    content = gzip.compress(f"{STEP}\n".encode()) + gzip.compress(f"{STEP}\n{STEP}".encode()) + b"\0\0"
    assert steps(content, name="f.json.gz") == [(1, USED, False), (2, USED, False), (3, USED, False)]


def test_a_gzip_file_that_is_cut_off_loses_nothing_before_the_cut():
    many = "".join(
        f'{{"sensorReadingTime":{i},"serialNumber":"{i * i}","distanceFromObject":{i}}}\n' for i in range(3_000)
    )
    whole = steps(many)
    content = gzip.compress(many.encode())
    found = steps(content[: len(content) // 2], name="f.json.gz")
    *used, last, damage = found
    assert len(used) > 1_000
    assert used == whole[: len(used)]
    assert (last[1], damage) == ("not_json", (len(used) + 1, "damaged_file", False))


def test_a_damaged_gzip_file_loses_nothing_before_the_damage():
    content = bytearray(gzip.compress(f"{STEP}\n{STEP}\n".encode()))
    content[-8] ^= 1  # of the checksum
    assert steps(bytes(content), name="f.json.gz") == [(1, USED, False), (2, USED, False), (2, "damaged_file", False)]
    assert steps(STEP, name="f.json.gz") == [(1, "damaged_file", False)]
