"""What a fresh Airflow finds in a DAG folder, with the network and Variables out of reach."""

import json
import os
import subprocess
import sys

#: The settings that a deployment must give.
REQUIRED = {"STEDI_BUCKET": "stedi-lakehouse", "STEDI_GLUE_ROLE_ARN": "arn:aws:iam::123456789012:role/stedi-glue"}
PARSE = """
import json, socket, sys, time, warnings
from pathlib import Path

def refuse(*arguments):
    raise AssertionError(f"network at parse time: {arguments}")

from airflow.dag_processing.dagbag import BundleDagBag
import airflow.models.variable, airflow.sdk

socket.socket.connect = socket.getaddrinfo = refuse
airflow.sdk.Variable.get = airflow.models.variable.Variable.get = refuse
dags = Path(sys.argv[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    started = time.process_time()  # what other programs take meanwhile is not the DAGs'
    bag = BundleDagBag(dag_folder=str(dags), bundle_path=dags, bundle_name="dags")
    seconds = time.process_time() - started
# Airflow itself reads .airflowignore with a deprecated class.
theirs = "GitWildMatchPattern"
texts = [w.category.__name__ + ": " + str(w.message) for w in caught]
deprecations = [text for text in texts if "eprecat" in text and theirs not in text]
tasks = {dag_id: sorted(dag.task_ids) for dag_id, dag in bag.dags.items()}
print(json.dumps({"errors": bag.import_errors, "tasks": tasks, "deprecations": deprecations, "seconds": seconds}))
"""


def parse(dags, python=sys.executable, settings=REQUIRED):
    """{errors, tasks: {DAG: its tasks}, deprecations, seconds}"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    run = subprocess.run(
        [python, "-I", "-c", PARSE, str(dags)],  # -I: nothing of the checkout can be imported but what is in `dags`
        capture_output=True,
        text=True,
        cwd=dags,
        env=environment | settings | {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])
