"""S3, Glue and Athena on one machine, for development: the same DAG and the same clients as on AWS."""
