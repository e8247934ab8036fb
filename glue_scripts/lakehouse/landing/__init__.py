"""The landing zone: what the sources deliver, and how it becomes records. The rules: docs/landing-files.md.

values.py   JSON values become the fields of a record, or the reason why it is rejected
lines.py    the lines of a file become JSON objects, one line after the other
fast.py     the lines that need no judgement, which are most, many at a time
gzipped.py  what can be read of a gzip file, damaged or not
files.py    a file becomes record batches: all of the above; no Spark
spark.py    the files of a folder become data frames
"""

from lakehouse.landing.spark import LOCATION, Landing, exists, read_landing

__all__ = ["LOCATION", "Landing", "exists", "read_landing"]
