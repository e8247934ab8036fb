"""The Glue Jobs API: definitions and runs of Spark jobs, each run a real ``spark-submit`` on this machine."""
