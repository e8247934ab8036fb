"""What the DAGs import: settings, tables, delivery, Glue jobs as tasks, the quality sensor and the report."""
