# One image for Airflow, the local AWS and the tests: see docker-compose.yaml.
FROM python:3.11-slim-bookworm

# make: for the tests of the Makefile.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*

# Compiled here, since the user that runs it may not write there.
COPY requirements.lock /opt/stedi/
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9 \
  && /opt/uv/bin/uv venv --python "$(command -v python)" /opt/venv \
  && /opt/uv/bin/uv pip sync --no-cache --compile-bytecode --require-hashes --python /opt/venv/bin/python \
    /opt/stedi/requirements.lock \
  && rm -rf /opt/uv

# A named volume takes over the owner of the directory on which it is mounted first.
RUN useradd --uid 1000 --create-home stedi \
  && install -d -o stedi -g stedi /opt/airflow /opt/airflow/logs /opt/jars /secrets /var/lib/stedi
ENV PATH=/opt/venv/bin:$PATH LOCAL_AWS_JARS=/opt/jars PYTHONUNBUFFERED=1
USER stedi
WORKDIR /opt/stedi

# Spark's jars, fetched again only when one of these changes.
COPY local_aws/__init__.py local_aws/settings.py local_aws/client.env local_aws/
COPY local_aws/glue/__init__.py local_aws/glue/jars.py local_aws/glue/
RUN python -m local_aws.glue.jars

COPY dags dags
COPY glue_scripts glue_scripts
COPY include include
COPY infra infra
COPY dev dev
COPY local_aws local_aws
