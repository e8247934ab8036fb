"""The promises of the documents that can be checked by reading: paths, links and test names exist."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
VERIFICATION = PROJECT / "docs" / "verification.md"
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "infra" / "README.md"]
DOCUMENTS += sorted((PROJECT / "docs").glob("*.md"))


def test_every_test_that_verification_names_exists():
    tests = {
        node.name
        for path in (PROJECT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    named = set(re.findall("`(test_[a-z0-9_]+)`", VERIFICATION.read_text()))
    assert named
    assert named - tests == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_and_link_of_a_document_exists(document):
    text = document.read_text()
    paths = re.findall(r"`((?:dags|dev|docs|glue_scripts|include|infra|local_aws|tests)/[\w./]*)`", text)
    # First steps has its reader make the files of a new source.
    assert [path for path in paths if not (PROJECT / path).exists() and "heart_rate" not in path] == []
    links = re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
