import pytest

from stedi.settings import Settings


def test_the_defaults_deliver_the_sample():
    assert Settings.from_environment().landing.endswith("include/sample")


def test_a_setting_comes_from_its_environment_variable(monkeypatch):
    monkeypatch.setenv("STEDI_BUCKET", "acme-lakehouse")
    monkeypatch.setenv("STEDI_NUMBER_OF_WORKERS", "10")
    settings = Settings.from_environment()
    assert (settings.bucket, settings.number_of_workers) == ("acme-lakehouse", 10)
    assert settings.athena_output == "s3://acme-lakehouse/athena-results/"


def test_a_number_that_is_none_is_refused_by_the_variables_name(monkeypatch):
    monkeypatch.setenv("STEDI_NUMBER_OF_WORKERS", "many")
    with pytest.raises(ValueError, match="STEDI_NUMBER_OF_WORKERS is 'many'; it must be a number"):
        Settings.from_environment()
