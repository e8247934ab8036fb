"""The promises of the README and of the documents beside it that can be checked by reading."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text()
DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


@pytest.mark.parametrize("table", ["hard case", "in the UI", "fault"])
def test_every_case_that_the_readme_lists_is_shown_by_tests_that_exist(table):
    tests = {
        node.name
        for path in (PROJECT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    cases = re.search(rf"\| {table} \|.*?\n\n", README, re.DOTALL)[0].splitlines()[2:]
    assert len(cases) > 7
    for case in filter(None, cases):
        shown_by = re.findall("`(test_[a-z0-9_]+)`", case)
        assert shown_by, case
        assert set(shown_by) <= tests, case


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_and_every_document_that_a_document_names_exists(document):
    text = document.read_text()
    paths = re.findall(r"`((?:dags|docs|glue_scripts|include|plugins|tests|local_aws)/[\w./]*)`", text)
    assert paths
    # What the guide has its reader make: the new source's files.
    assert [path for path in paths if not (PROJECT / path).exists() and "heart_rate" not in path] == []
    links = re.findall(r"\]\(([^)\s#:]+\.md)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
