"""The life of a query execution: queued, running, and then SUCCEEDED, FAILED or CANCELLED, with its result."""

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from sqlglot import exp

from local_aws.athena.catalog import Catalog
from local_aws.athena.ddl import Ddl
from local_aws.athena.errors import QueryFailed
from local_aws.athena.insert import Insert
from local_aws.athena.processes import Processes, machine_memory
from local_aws.athena.show import show
from local_aws.athena.tables import CATALOG
from local_aws.athena.translate import translate
from local_aws.athena.values import text_column_info
from local_aws.calls import caller
from local_aws.settings import REGION, LocalAws, calls_file

AT_ONCE = 4
#: Executions that are remembered; their results lie on the disk meanwhile, and for good in S3.
REMEMBERED = 1000
#: What the queries that run at once have together at most: memory of DuckDB's, and bytes of shared files.
MEMORY = min(4 * 2**30, machine_memory() // 2)
CACHE = 4 * 2**30


@dataclass
class Execution:
    """One query execution."""

    sql: str
    statement: exp.Expr
    database: str
    location: str
    workgroup: str
    #: The account that must own the bucket of the result; None if any may.
    bucket_owner: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str | None = None
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    completed: float | None = None
    milliseconds: int = 0
    scanned: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    #: A file with the result's rows, a JSON list a line.
    rows: Path | None = None
    #: Rows that an INSERT wrote.
    written: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def is_query(self) -> bool:
        return isinstance(self.statement, exp.Query | exp.Values)

    @property
    def kind(self) -> str:
        if self.is_query or isinstance(self.statement, exp.Insert):
            return "DML"
        return "UTILITY" if isinstance(self.statement, exp.Command | exp.Describe | exp.Show) else "DDL"

    @property
    def output(self) -> str:
        """Where the result lies in S3."""
        return f"{self.location.rstrip('/')}/{self.id}.{'csv' if self.kind == 'DML' else 'txt'}"

    @property
    def owner(self) -> dict[str, str]:
        """What S3 calls and descriptions say of the owner."""
        return {"ExpectedBucketOwner": self.bucket_owner} if self.bucket_owner else {}

    def statistics(self) -> dict[str, Any]:
        now = time.time()
        return {
            "EngineExecutionTimeInMillis": self.milliseconds,
            "TotalExecutionTimeInMillis": round(((self.completed or now) - self.submitted) * 1000),
            "QueryQueueTimeInMillis": round(((self.started or now) - self.submitted) * 1000),
            "ServiceProcessingTimeInMillis": 0,
        }

    def describe(self) -> dict[str, Any]:
        """The execution as GetQueryExecution gives it."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.completed:
            status["CompletionDateTime"] = self.completed
        if self.reason:
            status["StateChangeReason"] = self.reason
            if self.state == "FAILED":
                status["AthenaError"] = {"ErrorCategory": 2, "ErrorType": 1006, "ErrorMessage": self.reason}
        return {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": self.kind,
            **({"SubstatementType": "SELECT" if self.is_query else "INSERT"} if self.kind == "DML" else {}),
            "ResultConfiguration": {"OutputLocation": self.output, **self.owner},
            "QueryExecutionContext": {"Database": self.database, "Catalog": CATALOG},
            "Status": status,
            "Statistics": {**self.statistics(), "DataScannedInBytes": self.scanned},
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }

    def page(self, token: str | None, size: int) -> tuple[list[list[str | None]], str | None]:
        """Rows of the result, a query's under a first one with its columns' names, and the token of the next page.

        A token is the place in the file of rows where the page begins. Raises ``ValueError`` for any other.
        """
        rows = [[column["Name"] for column in self.columns]] if self.is_query and token is None else []
        if self.rows is None:
            return rows, None
        with self.rows.open("rb") as lines:
            lines.seek(int(token or 0))
            rows += [json.loads(line) for line in islice(iter(lines.readline, b""), size - len(rows))]
            return rows, str(lines.tell()) if lines.peek(1) else None


class Executions:
    """Runs executions, a few at once, and remembers them as long as the server lives. On the event loop.

    ``catalog`` gives the catalog as the caller sees it.
    """

    def __init__(self, local_aws: LocalAws, catalog: Callable[[], Catalog]) -> None:
        self._local_aws = local_aws
        self._catalog = catalog
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._processes = Processes()
        self._directory = local_aws.state / "athena"
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)

    def get(self, execution_id: str) -> Execution | None:
        return self._executions.get(execution_id)

    def ids(self, workgroup: str) -> list[str]:
        """The executions of a workgroup, the newest first."""
        return [e.id for e in reversed(self._executions.values()) if e.workgroup == workgroup]

    def start(self, execution: Execution) -> None:
        """Queues the execution, and forgets the oldest one beyond those that are remembered."""
        self._executions[execution.id] = execution
        while len(self._executions) > REMEMBERED and next(iter(self._executions.values())).completed:
            _, oldest = self._executions.popitem(last=False)
            if oldest.rows:
                oldest.rows.unlink(missing_ok=True)
        if execution.kind == "DML":
            self._processes.prepare()
        execution.task = asyncio.create_task(self._execute(execution))

    async def stop(self, execution: Execution) -> None:
        """Ends the execution and its process; it is CANCELLED when this returns, unless it was complete already."""
        if execution.task and not execution.task.done():
            execution.task.cancel()
            await asyncio.gather(execution.task, return_exceptions=True)
            if not execution.completed:  # it had not begun
                execution.state, execution.completed = "CANCELLED", time.time()

    async def close(self) -> None:
        """Ends all executions."""
        await asyncio.gather(*map(self.stop, self._executions.values()))
        await self._processes.close()

    async def _execute(self, execution: Execution) -> None:
        scratch = Path(tempfile.mkdtemp(dir=self._directory))
        state, reason = "SUCCEEDED", None
        try:
            async with self._slots:
                execution.state, execution.started = "RUNNING", time.time()
                await self._run(execution, scratch)
        except QueryFailed as error:
            state, reason = "FAILED", str(error).replace("{position}", "1:1")
        except asyncio.CancelledError:
            state, reason = "CANCELLED", "Query cancelled by user"
        except Exception as error:
            state, reason = "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        execution.completed, execution.reason, execution.state = time.time(), reason, state

    async def _run(self, execution: Execution, scratch: Path) -> None:
        statement, output = execution.statement, b""
        if execution.is_query:
            answer = await self._compute(execution, statement, scratch, arrow=False)
            execution.columns = answer["columns"]
            execution.rows = self._directory / f"{execution.id}.rows"
            shutil.move(scratch / "result.rows", execution.rows)
            output = (scratch / "result.csv").read_bytes()
        elif isinstance(statement, exp.Insert):
            insert = Insert(statement, execution.database)
            await asyncio.to_thread(insert.check, self._catalog())
            await self._compute(execution, insert.query, scratch, arrow=True)
            execution.written = await _to_its_end(insert.append, self._catalog(), scratch / "result.arrow")
        else:
            began = time.monotonic()
            lines = await _to_its_end(self._utility, execution, statement)
            execution.milliseconds = round((time.monotonic() - began) * 1000)
            execution.rows = self._directory / f"{execution.id}.rows"
            execution.rows.write_text("".join(json.dumps([line]) + "\n" for line in lines))
            name = "col_name" if isinstance(statement, exp.Describe) else "result"
            execution.columns = [text_column_info(name)] if lines else []
            output = "".join(f"{line}\n" for line in lines).encode()
        await asyncio.to_thread(self._put, execution, output)

    def _put(self, execution: Execution, content: bytes) -> None:
        bucket, _, key = execution.output.removeprefix("s3://").partition("/")
        s3 = self._catalog().s3
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=content, **execution.owner)
        except s3.exceptions.NoSuchBucket:
            raise QueryFailed(f"Unable to verify/create output bucket {bucket}") from None
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            raise QueryFailed(f"Access denied when writing output to url: {execution.output}") from None

    async def _compute(self, execution: Execution, query: exp.Expr, scratch: Path, *, arrow: bool) -> dict[str, Any]:
        """Has the engine write the query's result into ``scratch``; what it says of it."""
        resolve = self._catalog().resolve
        translated = await asyncio.to_thread(translate, query, execution.sql, execution.database, resolve)
        execution.scanned = sum(source["bytes"] for source in translated.sources)
        answer = await self._processes.run(
            {
                "endpoint": self._local_aws.endpoint,
                "key": caller.get(),
                # Where calls are recorded, each caller reads for itself.
                "cached_for": caller.get() if calls_file() else "",
                "region": REGION,
                "memory": f"{MEMORY // AT_ONCE // 2**20}MiB",
                "cache": str(self._directory / "cache"),
                "cache_bytes": min(CACHE, shutil.disk_usage(self._directory).free // 4),
                "spill": str(scratch),
                "sources": translated.sources,
                "locations": sorted({place for source in translated.sources for place in source["locations"]}),
                "sql": translated.sql,
                "names": translated.names,
                "csv": str(scratch / "result.csv"),
                "rows": str(scratch / "result.rows"),
                "arrow": str(scratch / "result.arrow") if arrow else None,
            }
        )
        execution.milliseconds = answer["milliseconds"]
        if "error" in answer:
            raise QueryFailed(answer["error"])
        return answer

    def _utility(self, execution: Execution, statement: exp.Expr) -> list[str]:
        """Carries out a statement that is no query; the lines of its answer."""
        if isinstance(statement, exp.Create | exp.Drop | exp.Alter):
            Ddl(self._catalog(), execution.database, execution.sql).run(statement)
            return []
        return show(self._catalog(), execution.sql, execution.database)


async def _to_its_end(work: Callable[..., Any], *arguments: Any) -> Any:
    """Work that changes the catalog or a table: it cannot be stopped half-way, so a stopped query still awaits it."""
    task = asyncio.create_task(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task
