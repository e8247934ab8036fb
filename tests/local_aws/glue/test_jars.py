"""How Spark's jars are fetched on a machine with certificate authorities of its own."""

import subprocess

import certifi

from local_aws.glue import jars


def test_java_trusts_the_certificates_that_ssl_cert_file_names(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "TRUST_STORE", tmp_path / "none")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert jars.trust_store(tmp_path) is None

    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    command = [jars.java_home() / "bin" / "keytool", "-list", "-keystore", jars.trust_store(tmp_path)]
    listed = subprocess.run(command, input="\n", capture_output=True, text=True, check=True).stdout
    assert listed.count("trustedCertEntry") == certifi.contents().count("BEGIN CERTIFICATE")
