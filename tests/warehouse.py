"""Looks for texts in every byte of a warehouse, also where it is compressed."""

import gzip
import io
import zlib

import pyarrow.parquet


def find(s3, bucket, prefix, texts):
    """{text: keys of the objects below the prefix that contain it}, compared without case.

    Of a Parquet file, its values and its bytes (the footer has bounds); of an Avro file, its blocks and its bytes.
    """
    found = {text: set() for text in texts}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            content = readable(item["Key"], s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            for text in texts:
                if text.lower().encode() in content.lower():
                    found[text].add(item["Key"])
    return found


def readable(key, content):
    """An object's bytes, and what is compressed in them; raises ValueError for a kind of file that is not known."""
    if key.endswith(".parquet"):
        columns = pyarrow.parquet.read_table(io.BytesIO(content)).columns
        return content + "\n".join(str(value) for column in columns for value in column.to_pylist()).encode()
    if key.endswith(".avro"):
        return content + b"".join(avro_blocks(content))
    if key.endswith("/_SUCCESS"):
        return content
    if key.endswith(".gz.metadata.json"):
        return gzip.decompress(content)
    if key.endswith(".metadata.json"):
        return content
    raise ValueError(f"{key}: what kind of file is this?")


def avro_blocks(content):
    """The decompressed blocks of an Avro file: each is a number of records, a size, the data, and the file's marker."""
    codec = content.split(b"avro.codec")[1][1:8]
    assert codec == b"deflate", codec
    marker = content[-16:]
    for block in content.split(marker)[1:-1]:
        for _ in ("records", "size"):  # variable-length integers: the last byte of each is below 128
            block = block[next(n for n, byte in enumerate(block) if byte < 128) + 1 :]
        yield zlib.decompress(block, wbits=-15)
