# The commands of the STEDI lakehouse on one machine; `make help` lists them.
# Needs make and Python 3.11; everything else goes to .venv and .local, once.

.DEFAULT_GOAL := help
.PHONY: help install run maintain query rejected ui drop-tables test lint types bench package generate screenshots stop clean

# The values reach the commands through the environment, character by character: neither make nor the shell looks
# into them, so quotes, newlines and the $ of "table$snapshots" are written as they are.
VARIABLES := LANDING CONSENT_POLICY MAX_REJECTED MAX_LOST KEEP SNAPSHOT_HOURS KEEP_RELEASES ORPHAN_HOURS SQL FORMAT \
  RUN AT FILE POSITION SOURCE UI_PORT OUT CUSTOMERS SEED SHARED_SERIALS DAMAGE HOURS \
  SCALES ALL
$(foreach variable,$(VARIABLES),$(eval override $(variable) := $$(value $(variable))))
export $(VARIABLES)

BIN := .venv/bin
PYTHON := $(BIN)/python
UV := $(or $(shell command -v uv),.local/uv/bin/uv)
UV_VERSION := 0.13.9
DEV := @$(PYTHON) -m dev

help:
	@echo 'make run         run the lakehouse end to end on this machine, on the sample data'
	@echo '                   LANDING=dir                          a directory or s3:// prefix with customer/,'
	@echo '                                                        accelerometer/ and step_trainer/'
	@echo '                   CONSENT_POLICY=customer|reading_time whether consent covers earlier readings'
	@echo '                   MAX_REJECTED=0.05                    the share of a source that may be rejected'
	@echo '                   MAX_LOST=0.2                         the share of its rows that a table may lose'
	@echo '                   KEEP=1                               deliver into the existing lake'
	@echo 'make query       query Athena:  make query SQL="select * from customer_trusted limit 5"'
	@echo '                   FORMAT=table|csv'
	@echo '                   RUN=id                               tables as a run has staged them'
	@echo '                   AT=id                                tables as a run has released them'
	@echo 'make rejected    print a rejected record:  make rejected FILE=customer-1.json POSITION=5'
	@echo '                   SOURCE=customer_landing              where several sources have such a file'
	@echo 'make maintain    delete what the tables held before and is old enough'
	@echo '                   SNAPSHOT_HOURS=24  ORPHAN_HOURS=24   both 0 carry out a withdrawal at once'
	@echo '                   KEEP_RELEASES=2                      how many releases can still be read'
	@echo 'make drop-tables drop all tables but keep the landing zone; make run KEEP=1 rebuilds them'
	@echo 'make ui          serve the Airflow UI and its scheduler on 127.0.0.1, until Ctrl-C'
	@echo '                   UI_PORT=8080  LANDING=dir            what the form for a new run proposes'
	@echo 'make test        check format, lint and types, and run the tests'
	@echo 'make lint        check format and lint'
	@echo 'make types       check types'
	@echo 'make bench       measure the pipeline beside bare scripts, at several sizes of the data; takes half an hour'
	@echo '                   SCALES="1 30 100 30h"  DOCS=1        some sizes only; write docs/benchmark.md too'
	@echo "make package     build what MWAA and Airflow's Helm chart take, in .local/package:"
	@echo '                   make package STEDI_BUCKET=… STEDI_GLUE_ROLE_ARN=…'
	@echo 'make generate    write synthetic landing data:  make generate OUT=dir CUSTOMERS=100 SEED=1'
	@echo '                   SHARED_SERIALS=30  DAMAGE=0.01       with shared serial numbers, damaged records'
	@echo '                   HOURS=1                              everybody walks within so many hours'
	@echo 'make screenshots take the pictures in docs/, with the installed Chromium or Chrome'
	@echo 'make stop        stop what was started'
	@echo 'make clean       stop it, and delete the lake, the Airflow database and the logs'
	@echo '                   ALL=1                                also what was installed'
	@echo 'make install     install what is missing; the other commands do so themselves'

install: .venv/installed .local/jars/fetched

run: install
	$(DEV) run --landing "$$LANDING" --consent-policy "$$CONSENT_POLICY" --max-rejected "$$MAX_REJECTED" \
	  --max-lost "$$MAX_LOST" $(if $(KEEP),--keep)

maintain: install
	$(DEV) maintain --snapshot-hours "$$SNAPSHOT_HOURS" --keep-releases "$$KEEP_RELEASES" --orphan-hours "$$ORPHAN_HOURS"

query: install
	$(DEV) query --format "$$FORMAT" --run "$$RUN" --at "$$AT" -- "$$SQL"

rejected: install
	$(DEV) rejected --file "$$FILE" --position "$$POSITION" --source "$$SOURCE"

drop-tables: install
	$(DEV) drop-tables

ui: install
	$(DEV) ui --port "$${UI_PORT:-8080}" --landing "$$LANDING"

test: install
	@$(MAKE) --no-print-directory --jobs --output-sync lint types
	$(BIN)/pytest -n 2 --no-loadscope-reorder

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/sqlfluff lint --nocolor include/sql/checks include/sql/report include/sql/published.sql
	$(BIN)/cfn-lint --include-checks I -- infra/stedi.yaml

types: .venv/installed
	$(BIN)/mypy glue_scripts
	$(BIN)/mypy dags dev local_aws

bench: install
	$(DEV) bench --scales "$$SCALES" $(if $(DOCS),--docs)

package: .venv/installed
	$(DEV) package

generate: .venv/installed
	@$(PYTHON) -m dev.generate --out "$${OUT:?say where to: OUT=dir}" --customers "$${CUSTOMERS:-100}" --seed "$${SEED:-1}" \
	  $(if $(SHARED_SERIALS),--shared-serials "$$SHARED_SERIALS") $(if $(DAMAGE),--damage "$$DAMAGE") $(if $(HOURS),--hours "$$HOURS")

screenshots: install
	@$(PYTHON) -m dev.screenshots

stop:
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m dev stop; fi

clean:
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m dev clean; fi
	@if [ -n "$$ALL" ]; then rm -rf .venv .local; fi

# Stamp files: what is installed is not looked at again. stdout is left to the command, for `FORMAT=csv`.
.venv/installed: requirements.lock | $(UV)
	@test -x $(PYTHON) || { $(find_python) && $(UV) venv --quiet --python "$$python" .venv; }
	@echo 'installing the Python packages' >&2
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $(PYTHON) requirements.lock
	@touch $@

.local/jars/fetched: local_aws/glue/jars.py | .venv/installed
	@echo "fetching Spark's jars" >&2
	@$(PYTHON) -m local_aws.glue.jars >&2
	@touch $@

.local/uv/bin/uv:
	@echo 'installing uv' >&2
	@$(find_python) && "$$python" -m venv .local/uv
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) >&2

define find_python
for python in python3.11 python3 python ''; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && break; \
done; \
test -n "$$python" || { echo 'error: Python 3.11 is needed, and neither python3.11 nor python3 on the PATH is one' >&2; exit 1; }
endef
