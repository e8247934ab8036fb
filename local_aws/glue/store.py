"""Keeps job definitions and job runs on the disk, as the documents that the API answers with."""

import json
import sqlite3
import time
from pathlib import Path

from local_aws.json_api import ApiError, Json

ACTIVE = ("STARTING", "RUNNING", "STOPPING")
KEPT_RUNS = 200


class Store:
    """The jobs and runs of one local AWS. Used by one thread."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, document TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, job TEXT, document TEXT)")

    # --- jobs ---

    def job_names(self) -> list[str]:
        return [name for (name,) in self._db.execute("SELECT name FROM jobs ORDER BY name")]

    def job(self, name: str) -> Json:
        """Raises ``ApiError`` where there is no such job."""
        if found := self._documents("SELECT document FROM jobs WHERE name = ?", name):
            return found[0]
        raise ApiError("EntityNotFoundException", f"Job {name} not found.")

    def add_job(self, job: Json) -> bool:
        """Whether the job is added; False where one of its name exists."""
        try:
            self._db.execute("INSERT INTO jobs VALUES (?, ?)", (job["Name"], json.dumps(job)))
        except sqlite3.IntegrityError:
            return False
        return True

    def replace_job(self, job: Json) -> None:
        self._db.execute("UPDATE jobs SET document = ? WHERE name = ?", (json.dumps(job), job["Name"]))

    def delete_job(self, name: str) -> None:
        """With its runs."""
        self._db.execute("DELETE FROM runs WHERE job = ?", (name,))
        self._db.execute("DELETE FROM jobs WHERE name = ?", (name,))

    # --- runs ---

    def run(self, job: str, run_id: str) -> Json:
        """Raises ``ApiError`` where the job has no such run."""
        if found := self._documents("SELECT document FROM runs WHERE id = ? AND job = ?", run_id, job):
            return found[0]
        raise ApiError("EntityNotFoundException", f"Job Run {run_id} of job {job} not found.")

    def runs_of(self, job: str) -> list[Json]:
        """The newest first."""
        return self._documents("SELECT document FROM runs WHERE job = ? ORDER BY rowid DESC", job)

    def active_runs(self) -> list[Json]:
        return [run for run in self._documents("SELECT document FROM runs") if run["JobRunState"] in ACTIVE]

    def old_run_ids(self) -> list[str]:
        """All runs but the ``KEPT_RUNS`` newest."""
        query = "SELECT id FROM runs ORDER BY rowid DESC LIMIT -1 OFFSET ?"
        return [run_id for (run_id,) in self._db.execute(query, (KEPT_RUNS,))]

    def put_run(self, run: Json) -> None:
        """Adds or replaces a run. Raises ``sqlite3.OperationalError`` where the disk is full."""
        run["LastModifiedOn"] = time.time()
        self._db.execute(
            "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            (run["Id"], run["JobName"], json.dumps(run)),
        )

    def _documents(self, query: str, *values: str) -> list[Json]:
        return [json.loads(document) for (document,) in self._db.execute(query, values)]
