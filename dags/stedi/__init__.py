"""What the DAGs import: settings, delivery, the Glue jobs as tasks, the quality sensor and the report."""
