"""``make package``: what MWAA and the Helm chart of Airflow take, with the settings of the environment."""

import dataclasses
import json
import os
import shlex
import shutil
from importlib.metadata import version
from pathlib import Path

from dev import PROJECT
from dev.settings import CommandError, local_root
from stedi.settings import Settings, SettingsError

#: What else the DAGs read. Only the DAG folder is deployed to MWAA, so they look for it there too.
INSIDE_DAGS = ("glue_scripts", "include")

REQUIREMENTS = """\
# MWAA brings all that the DAGs import: Airflow, its Amazon provider, boto3, Jinja2. Add what other DAGs need.
"""
STARTUP = """\
#!/bin/sh
# The settings of the lakehouse, for all processes of Airflow; docs/aws.md lists them.
{exports}
"""
VALUES = """\
# helm upgrade --install airflow apache-airflow/airflow --values values.yaml --set dags.gitSync.repo=... \\
#   --set dags.gitSync.branch=main
defaultAirflowTag: "{airflow}"
airflowVersion: "{airflow}"
dags:
  gitSync:
    enabled: true
    # glue_scripts/ and include/ come with the repository, beside it.
    subPath: dags
env:
{env}
"""


def build() -> Path:
    """Builds ``.local/package`` anew; raises ``CommandError`` where a setting is missing or wrong."""
    try:
        Settings.from_environment()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    names = [f"STEDI_{field.name.upper()}" for field in dataclasses.fields(Settings)]
    given = {name: value for name in names if (value := os.environ.get(name))}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in given.items())
    # A JSON text is one of YAML.
    env = "\n".join(f"  - name: {name}\n    value: {json.dumps(value)}" for name, value in given.items())

    package = local_root() / "package"
    shutil.rmtree(package, ignore_errors=True)
    copy_dags(package / "dags")
    (package / "requirements.txt").write_text(REQUIREMENTS)
    (package / "startup.sh").write_text(STARTUP.format(exports=exports))
    (package / "values.yaml").write_text(VALUES.format(airflow=version("apache-airflow"), env=env))
    return package


def copy_dags(folder: Path) -> None:
    """Makes a DAG folder that needs nothing beside it."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".DS_Store")
    shutil.copytree(PROJECT / "dags", folder, ignore=ignore)
    for name in INSIDE_DAGS:
        shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
