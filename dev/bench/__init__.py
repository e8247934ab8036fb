"""``make bench``: what the pipeline costs at several sizes of the data, beside bare PySpark scripts."""
