"""What the Glue jobs share; shipped to Glue as one zip (``--extra-py-files``)."""
