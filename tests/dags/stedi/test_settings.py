import pytest

from stedi.settings import Settings, SettingsError

REQUIRED = {"STEDI_BUCKET": "acme-lakehouse", "STEDI_GLUE_ROLE_ARN": "arn:aws:iam::123456789012:role/acme-glue"}


def settings(**given):
    return Settings.from_environment(REQUIRED | given)


def test_a_setting_comes_from_its_environment_variable(monkeypatch):
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STEDI_NUMBER_OF_WORKERS", "10")
    found = Settings.from_environment()
    assert (found.bucket, found.number_of_workers) == ("acme-lakehouse", 10)
    assert found.athena_output == "s3://acme-lakehouse/athena-results/"


@pytest.mark.parametrize("missing", [["STEDI_BUCKET"], ["STEDI_GLUE_ROLE_ARN"], list(REQUIRED)])
def test_bucket_and_role_have_no_default(missing):
    with pytest.raises(SettingsError, match=f"^Set {' and '.join(missing)} in the environment"):
        settings(**dict.fromkeys(missing, ""))


def test_the_bucket_belongs_to_the_account_of_the_role_unless_another_is_given():
    assert settings().account == "123456789012"
    assert settings(STEDI_ACCOUNT="210987654321").account == "210987654321"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("STEDI_NUMBER_OF_WORKERS", "many", "a number"),
        ("STEDI_DATABASE", "stedi-dev", "a letter, then letters, digits and underscores, all in lower case"),
        ("STEDI_DATABASE", "Stedi", "a letter, then"),
        ("STEDI_DATABASE", "2024", "a letter, then"),
        ("STEDI_GLUE_ROLE_ARN", "acme-glue", "the ARN of a role"),
        ("STEDI_ACCOUNT", "acme", "the 12 digits of an AWS account"),
        ("STEDI_EXECUTION_CLASS", "CHEAP", "STANDARD or FLEX"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_variables_name(name, value, rule):
    with pytest.raises(SettingsError, match=f"^{name} is '{value}'; it must be {rule}"):
        settings(**{name: value})


def test_two_lakehouses_of_one_account_have_glue_jobs_of_their_own():
    names = {settings(STEDI_DATABASE=database).job_name("publish") for database in ("stedi_dev", "stedi_prod")}
    assert names == {"stedi_dev_publish", "stedi_prod_publish"}
