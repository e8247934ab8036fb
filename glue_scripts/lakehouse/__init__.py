"""What the five Glue jobs share; shipped to Glue as one zip (``--extra-py-files``)."""
