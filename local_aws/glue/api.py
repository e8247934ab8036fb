"""The wire of the Glue Jobs API: what each action asks of the store and of the runner, and what it answers."""

import asyncio
import functools
import secrets
from typing import Any

from botocore.exceptions import ClientError

from local_aws.glue.definitions import capacity, checked_class, checked_timeout, definition, invalid, required
from local_aws.glue.run_log import LOG_GROUP
from local_aws.glue.runner import Runner
from local_aws.glue.store import ACTIVE, Store
from local_aws.json_api import ApiError, Json
from local_aws.settings import LocalAws


class GlueJobsApi:
    """The Glue Jobs API of one local AWS; definitions, runs and their files lie in ``<state>/glue``."""

    def __init__(self, local_aws: LocalAws) -> None:
        directory = local_aws.state / "glue"
        directory.mkdir(parents=True, exist_ok=True)
        self._client = functools.cache(local_aws.client)
        self._store = Store(directory / "jobs.sqlite")
        self._runner = Runner(local_aws, directory, self._store, self._client)
        self.actions = {
            "CreateJob": self._create_job,
            "UpdateJob": self._update_job,
            "DeleteJob": self._delete_job,
            "GetJob": self._get_job,
            "GetJobs": self._get_jobs,
            "ListJobs": self._list_jobs,
            "BatchGetJobs": self._batch_get_jobs,
            "StartJobRun": self._start_job_run,
            "GetJobRun": self._get_job_run,
            "GetJobRuns": self._get_job_runs,
            "BatchStopJobRun": self._batch_stop_job_run,
        }

    async def handle(self, action: str, request: Json) -> Json:
        """Answers one request; raises ``ApiError``."""
        return await self.actions[action](request)

    async def close(self) -> None:
        """Ends the runs under way; they are then FAILED."""
        await self._runner.close()

    # --- definitions ---

    async def _create_job(self, request: Json) -> Json:
        name = required(request, "Name")
        job = await self._definition(name, {key: value for key, value in request.items() if key != "Name"})
        if not self._store.add_job(job):
            times = {key: job[key] for key in ("CreatedOn", "LastModifiedOn")}
            if self._store.job(name) | times != job:
                message = f"Job with name: {name} already submitted with different configuration."
                raise ApiError("IdempotentParameterMismatchException", message)
        return {"Name": name}

    async def _update_job(self, request: Json) -> Json:
        name = required(request, "JobName")
        created = {"CreatedOn": self._store.job(name)["CreatedOn"]}
        self._store.replace_job(await self._definition(name, required(request, "JobUpdate")) | created)
        return {"JobName": name}

    async def _definition(self, name: str, given: Json) -> Json:
        job = definition(name, given)
        role = required(given, "Role")
        try:
            iam = await asyncio.to_thread(self._client, "iam")
            await asyncio.to_thread(iam.get_role, RoleName=role.rpartition("/")[2])
        except ClientError as error:
            raise invalid(f"Role {role} cannot be assumed by Glue: {error.response['Error']['Message']}") from error
        return job

    async def _delete_job(self, request: Json) -> Json:
        name = required(request, "JobName")
        for run in self._store.runs_of(name):
            await self._runner.forget(run["Id"])
        self._store.delete_job(name)
        return {"JobName": name}

    async def _get_job(self, request: Json) -> Json:
        return {"Job": self._store.job(required(request, "JobName"))}

    async def _get_jobs(self, request: Json) -> Json:
        return _page([self._store.job(name) for name in self._store.job_names()], "Jobs", request)

    async def _list_jobs(self, request: Json) -> Json:
        return _page(self._store.job_names(), "JobNames", request)

    async def _batch_get_jobs(self, request: Json) -> Json:
        wanted, known = required(request, "JobNames"), self._store.job_names()
        return {
            "Jobs": [self._store.job(name) for name in wanted if name in known],
            "JobsNotFound": [name for name in wanted if name not in known],
        }

    # --- runs ---

    async def _start_job_run(self, request: Json) -> Json:
        name = required(request, "JobName")
        if name not in self._store.job_names():
            raise ApiError("EntityNotFoundException", "Failed to start job run due to missing metadata")
        if self._runner.closing:
            raise ApiError("OperationTimeoutException", "The local AWS is being stopped.")
        if "JobRunId" in request:
            raise invalid("The local AWS does not start a run again by its JobRunId.")
        job, given = self._store.job(name), request.get("Arguments", {})
        fixed = job.get("NonOverridableArguments", {})
        if overridden := sorted(set(given) & set(fixed)):
            raise invalid(f"Non-overridable arguments of the job were given: {', '.join(overridden)}")
        limit = job["ExecutionProperty"].get("MaxConcurrentRuns", 1)
        if sum(run["JobRunState"] in ACTIVE for run in self._store.runs_of(name)) >= limit:
            raise ApiError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
        run = {
            "Id": f"jr_{secrets.token_hex(32)}",
            "Attempt": 0,
            "JobName": name,
            "JobMode": "SCRIPT",
            "JobRunState": "STARTING",
            **({"Arguments": given} if given else {}),
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "Timeout": checked_timeout(request.get("Timeout", job["Timeout"])),
            **capacity(request if {"WorkerType", "NumberOfWorkers", "MaxCapacity"} & set(request) else job),
            "ExecutionClass": checked_class(request.get("ExecutionClass") or job["ExecutionClass"]),
            "GlueVersion": job["GlueVersion"],
            "LogGroupName": LOG_GROUP,
        }
        self._runner.launch(run, job, {**job.get("DefaultArguments", {}), **given, **fixed})
        return {"JobRunId": run["Id"]}

    async def _get_job_run(self, request: Json) -> Json:
        return {"JobRun": self._store.run(required(request, "JobName"), required(request, "RunId"))}

    async def _get_job_runs(self, request: Json) -> Json:
        name = required(request, "JobName")
        self._store.job(name)
        return _page(self._store.runs_of(name), "JobRuns", request)

    async def _batch_stop_job_run(self, request: Json) -> Json:
        name, stopped, errors = required(request, "JobName"), [], []
        for run_id in required(request, "JobRunIds"):
            place = {"JobName": name, "JobRunId": run_id}
            try:
                run = self._store.run(name, run_id)
                if not self._runner.stop(run):
                    state = f"Job Run {run_id} is already {run['JobRunState']}."
                    raise ApiError("JobRunInTerminalStateException", state)
                stopped.append(place)
            except ApiError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({**place, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}


def _page(items: list[Any], member: str, request: Json) -> Json:
    """One page of a listing; the token is the place of the next."""
    try:
        start, size = int(request.get("NextToken", 0)), int(request.get("MaxResults", 200))
    except ValueError as error:
        raise invalid("NextToken is not one of this listing.") from error
    if not 1 <= size <= 1000:
        raise invalid("MaxResults must be between 1 and 1000.")
    more = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return {member: items[start : start + size]} | more
