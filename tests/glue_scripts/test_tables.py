"""The description of the tables: what it gives, and what it does not let through."""

import pytest

from lakehouse.tables import JOBS, LANDING_TABLES, TABLES, TablesError, lineage, parse

READINGS = {
    "comment": "Readings",
    "person": "user",
    "fields": [
        {"key": "user", "kind": "text", "required": True, "comment": "who"},
        {"key": "heartRate", "kind": "integer", "comment": "beats per minute"},
    ],
}
TRUSTED = {"comment": "Trusted readings", "inputs": ["watch_landing"]}


def described(tables, source=READINGS):
    return parse({"sources": {"watch": source}, "tables": tables})[1]


def test_a_table_has_the_columns_of_its_inputs_in_lower_case():
    assert described({"watch_trusted": TRUSTED})["watch_trusted"].column_names == ("user", "heartrate")


def test_a_table_is_about_the_person_that_its_first_input_is_about():
    assert described({"watch_trusted": TRUSTED})["watch_trusted"].person == "user"


def test_a_key_of_all_columns_is_written_as_a_star():
    assert described({"watch_trusted": TRUSTED | {"key": ["*"]}})["watch_trusted"].key == ("user", "heartrate")


def test_a_source_has_a_table_of_its_lines_over_the_files_of_its_landing_table():
    lines = described({})["watch_lines"]
    assert (lines.folder, lines.column_names, lines.format) == ("watch_landing", ("line",), "text")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ["pulse"]}, "watch_trusted: none of its inputs has a column pulse; they have user, heartrate"),
        ({"inputs": ["phone_landing"]}, "watch_trusted: its input phone_landing must be described before it"),
        ({"key": ["pulse"]}, "watch_trusted has no column pulse"),
        ({"columns": ["*", "user"]}, "watch_trusted: the column user is described twice"),
        ({"person": ""}, "watch_trusted: whose consent do its rows need"),
        ({"comment": "Ada's"}, "watch_trusted: a comment cannot contain a single quote"),
        (
            {"columns": ["user", {"name": "n", "kind": "float", "comment": ""}]},
            "watch_trusted.n is of kind 'float'; it can be text,",
        ),
        ({"persn": "user"}, "watch_trusted: got an unexpected key 'persn'"),
        ({"columns": [{"name": "n", "kind": "text", "coment": ""}]}, "watch_trusted.n: got an unexpected key 'coment'"),
        ({"columns": [{"name": "n", "comment": ""}]}, "watch_trusted.n: missing 1 required key: 'kind'"),
    ],
)
def test_a_description_that_contradicts_itself_is_an_error_that_says_where(change, message):
    with pytest.raises(TablesError, match=message):
        described({"watch_trusted": TRUSTED | change})


def test_every_landing_record_has_a_way_to_a_trusted_or_curated_table():
    assert [landing for landing, line in lineage().items() if not line] == []
    assert list(lineage()) == list(LANDING_TABLES)


def test_nothing_in_the_curated_measurements_names_a_person():
    names = {"customername", "email", "user", "phone", "birthday"}
    assert not names & set(TABLES["machine_learning_curated"].column_names)
    assert "machine_learning_curated" in JOBS
