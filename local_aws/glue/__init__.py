"""The Glue Jobs API: definitions and runs of Spark jobs, each run a real one on this machine, in a JVM that stays."""
