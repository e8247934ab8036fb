"""The scripts with the Python packages of Glue 5.1, which are older than those of requirements.lock."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from stedi.settings import PROJECT

#: Of AWS's list "Python modules already provided", version 5.1: what Spark and the scripts use.
GLUE = {"numpy": "2.3.4", "pandas": "2.3.3", "pyarrow": "22.0.0"}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a virtual environment with these packages, and otherwise those of requirements.lock."""
    uv = shutil.which("uv", path=f"{PROJECT}/.local/uv/bin:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv, which `make install` installs, is not there")
    directory = tmp_path_factory.mktemp("glue")
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE))
    packages = directory / "requirements.txt"
    packages.write_text("".join(f"{name}=={version}\n" for name, version in (locked | GLUE).items()))
    python = directory / "venv" / "bin" / "python"
    for command in (
        ["venv", "--quiet", "--python", sys.executable, directory / "venv"],
        ["pip", "install", "--quiet", "--no-deps", "--python", python, "--requirement", packages],
    ):
        done = subprocess.run([uv, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return python


@pytest.mark.exhaustive
def test_the_tests_of_the_scripts_pass_with_the_packages_of_glue(python):
    ask = "import json, numpy, pandas, pyarrow; print(json.dumps([m.__version__ for m in (numpy, pandas, pyarrow)]))"
    assert json.loads(subprocess.check_output([python, "-c", ask])) == list(GLUE.values())
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/glue_scripts"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
