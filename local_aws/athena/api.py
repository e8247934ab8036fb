"""The Athena API: executions with Athena's states, results and errors; the statements themselves are run elsewhere."""

import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sqlglot import exp, tokenize
from sqlglot.tokens import TokenType

from local_aws.athena.catalog import Catalog, hive_name, is_iceberg, location_parts
from local_aws.athena.statements import CATALOG, MalformedQuery, Refusal, not_supported, parse, translate
from local_aws.json_api import ApiError
from local_aws.settings import ACCESS_KEY, PROJECT, REGION, LocalAws

AT_ONCE = 4
#: Executions that are remembered; their results lie on the disk meanwhile, and for good in S3.
REMEMBERED = 1000
MEMORY = "2GB"
PAGE = 1000

_NAME = r"(?:[\w$]+|`[^`]+`|\"[^\"]+\")"
_QUALIFIED = rf"(?:(?P<db>{_NAME})\.)?(?P<table>{_NAME})"
_SHOW = {
    "databases": r"show\s+(?:databases|schemas)(?:\s+like\s+'(?P<like>[^']*)')?",
    "tables": rf"show\s+tables(?:\s+in\s+(?P<db>{_NAME}))?(?:\s+'(?P<like>[^']*)')?",
    "columns": rf"show\s+columns\s+(?:in|from)\s+{_QUALIFIED}",
    "create": rf"show\s+create\s+table\s+{_QUALIFIED}",
    "properties": rf"show\s+tblproperties\s+{_QUALIFIED}",
    "describe": rf"(?:describe|desc)\s+{_QUALIFIED}",
}


@dataclass
class Execution:
    """One query execution."""

    id: str
    sql: str
    statement: exp.Expression
    database: str
    output: str
    workgroup: str
    state: str = "QUEUED"
    reason: str | None = None
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    completed: float | None = None
    milliseconds: int = 0
    scanned: int = 0
    columns: list[dict] = field(default_factory=list)
    #: A file with the result's rows, a JSON list a line.
    rows: Path | None = None
    #: Rows that an INSERT wrote.
    written: int = 0
    task: asyncio.Task | None = None

    @property
    def is_query(self) -> bool:
        return isinstance(self.statement, exp.Query | exp.Values)

    @property
    def kind(self) -> str:
        if self.is_query or isinstance(self.statement, exp.Insert):
            return "DML"
        return "UTILITY" if isinstance(self.statement, exp.Command | exp.Describe | exp.Show) else "DDL"

    def describe(self) -> dict:
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
            "ResultConfiguration": {"OutputLocation": self.output},
            "QueryExecutionContext": {"Database": self.database, "Catalog": CATALOG},
            "Status": status,
            "Statistics": {
                "EngineExecutionTimeInMillis": self.milliseconds,
                "DataScannedInBytes": self.scanned,
                "TotalExecutionTimeInMillis": round(((self.completed or time.time()) - self.submitted) * 1000),
                "QueryQueueTimeInMillis": round(((self.started or time.time()) - self.submitted) * 1000),
                "ServiceProcessingTimeInMillis": 0,
            },
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }


class AthenaApi:
    """The actions of Athena's API. Executions live as long as the server."""

    def __init__(self, local_aws: LocalAws) -> None:
        self._local_aws = local_aws
        self._catalog = Catalog(local_aws)
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._tokens: dict[str, str] = {}
        self._workgroups: dict[str, dict] = {"primary": {}}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._directory = local_aws.state / "athena"
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        #: A process that has DuckDB loaded, or is loading it, for the next query.
        self._spare: asyncio.Task | None = None
        self._handlers = {
            "StartQueryExecution": self._start,
            "StopQueryExecution": self._stop,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "GetQueryResults": self._results,
            "GetQueryRuntimeStatistics": self._statistics,
            "CreateWorkGroup": self._create_workgroup,
            "GetWorkGroup": self._get_workgroup,
            "ListWorkGroups": self._list_workgroups,
            "GetDataCatalog": self._get_data_catalog,
            "ListDataCatalogs": self._list_data_catalogs,
            "GetDatabase": self._get_database,
            "ListDatabases": self._list_databases,
            "GetTableMetadata": self._get_table,
            "ListTableMetadata": self._list_tables,
        }
        self.actions = frozenset(self._handlers)

    async def handle(self, action: str, request: dict) -> dict:
        """Answers one request; raises ``ApiError``."""
        return await self._handlers[action](request)

    async def close(self) -> None:
        """Ends the queries at work."""
        tasks = [execution.task for execution in self._executions.values() if execution.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._spare:
            await _end(await self._spare)

    # --- executions ---

    async def _start(self, request: dict) -> dict:
        token = request.get("ClientRequestToken")
        if token in self._tokens:
            known = self._executions[self._tokens[token]]
            if known.sql != request["QueryString"]:
                raise ApiError("InvalidRequestException", "Idempotent parameters do not match")
            return {"QueryExecutionId": known.id}
        workgroup = request.get("WorkGroup") or "primary"
        configuration = self._workgroup(workgroup).get("ResultConfiguration", {})
        location = (request.get("ResultConfiguration") or {}).get("OutputLocation") or configuration.get(
            "OutputLocation"
        )
        if not location:
            raise ApiError(
                "InvalidRequestException",
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input.",
            )
        try:
            location_parts(location)
            statement = parse(request["QueryString"], request.get("ExecutionParameters"))
        except (MalformedQuery, Refusal) as error:
            raise ApiError("InvalidRequestException", str(error)) from error
        number = str(uuid.uuid4())
        context = request.get("QueryExecutionContext") or {}
        if context.get("Catalog", CATALOG).lower() != CATALOG:
            raise ApiError("InvalidRequestException", f"The catalog {context['Catalog']} is not found.")
        execution = Execution(
            id=number,
            sql=request["QueryString"],
            statement=statement,
            database=(context.get("Database") or "default").lower(),
            output="",
            workgroup=workgroup,
        )
        execution.output = f"{location.rstrip('/')}/{number}.{'csv' if execution.kind == 'DML' else 'txt'}"
        self._executions[number] = execution
        if token:
            self._tokens[token] = number
        self._forget()
        if execution.kind == "DML":
            self._prepare()
        execution.task = asyncio.create_task(self._execute(execution))
        return {"QueryExecutionId": number}

    def _forget(self) -> None:
        while len(self._executions) > REMEMBERED and next(iter(self._executions.values())).completed:
            number, old = self._executions.popitem(last=False)
            if old.rows:
                old.rows.unlink(missing_ok=True)
            self._tokens = {token: known for token, known in self._tokens.items() if known != number}

    async def _execute(self, execution: Execution) -> None:
        scratch = Path(tempfile.mkdtemp(dir=self._directory))
        try:
            async with self._slots:
                execution.state, execution.started = "RUNNING", time.time()
                await self._run(execution, scratch)
            state, reason = "SUCCEEDED", None
        except Refusal as refusal:
            state, reason = "FAILED", str(refusal).replace("{position}", "1:1")
        except asyncio.CancelledError:
            state, reason = "CANCELLED", "Query cancelled by user"
        except Exception as error:
            state, reason = "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        execution.completed, execution.reason, execution.state = time.time(), reason, state

    async def _run(self, execution: Execution, scratch: Path) -> None:
        statement = execution.statement
        if execution.is_query:
            job = await asyncio.to_thread(self._job, execution, statement, scratch)
            answer = await self._engine(execution, job)
            execution.columns = answer["columns"]
            execution.rows = self._directory / f"{execution.id}.rows"
            shutil.move(job["rows"], execution.rows)
            await asyncio.to_thread(self._put, execution.output, Path(job["csv"]).read_bytes())
        elif isinstance(statement, exp.Insert):
            await self._insert(execution, statement, scratch)
            await asyncio.to_thread(self._put, execution.output, b"")
        else:
            began = time.monotonic()
            lines = await _to_its_end(self._utility, execution, statement)
            execution.milliseconds = round((time.monotonic() - began) * 1000)
            execution.rows = self._directory / f"{execution.id}.rows"
            execution.rows.write_text("".join(json.dumps([line]) + "\n" for line in lines))
            name = "col_name" if isinstance(statement, exp.Describe) else "result"
            execution.columns = [_text_column(name)] if lines else []
            await asyncio.to_thread(self._put, execution.output, "".join(f"{line}\n" for line in lines).encode())

    def _put(self, uri: str, content: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            self._catalog.s3.put_object(Bucket=bucket, Key=key, Body=content)
        except self._catalog.s3.exceptions.NoSuchBucket:
            raise Refusal(f"Unable to verify/create output bucket {bucket}") from None

    def _job(self, execution: Execution, query: exp.Expression, scratch: Path, arrow: bool = False) -> dict:
        """What the engine needs for one query."""
        translated = translate(query, execution.sql, execution.database, self._catalog.resolve)
        execution.scanned = sum(source["bytes"] for source in translated.sources)
        return {
            "endpoint": self._local_aws.endpoint,
            "key": ACCESS_KEY,
            "region": REGION,
            "memory": MEMORY,
            "spill": str(scratch),
            "sources": translated.sources,
            "locations": sorted({place for source in translated.sources for place in source["locations"]}),
            "sql": translated.sql,
            "names": translated.names,
            "csv": str(scratch / "result.csv"),
            "rows": str(scratch / "result.rows"),
            "arrow": str(scratch / "result.arrow") if arrow else None,
        }

    async def _engine(self, execution: Execution, job: dict) -> dict:
        """Runs a job in a process of its own, which ends with the execution."""
        process = None
        if self._spare and self._spare.done():
            process, self._spare = self._spare.result(), None
        if process is None or process.returncode is not None:
            process = await self._new_process()
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
            self._prepare()
            line = await process.stdout.readline()
            await process.wait()
        finally:
            await _end(process)
        if not line:
            raise Refusal("EXCEEDED_LOCAL_MEMORY_LIMIT: the query's process was ended")
        answer = json.loads(line)
        execution.milliseconds = answer["milliseconds"]
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer

    def _prepare(self) -> None:
        """Lets a process load DuckDB already, for the next query."""
        if self._spare is None:
            self._spare = asyncio.create_task(self._new_process())

    async def _new_process(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "local_aws.athena.engine",
            cwd=PROJECT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
            start_new_session=True,
        )

    async def _insert(self, execution: Execution, insert: exp.Insert, scratch: Path) -> None:
        """INSERT INTO an Iceberg table: the rows come from the engine, and go in with one commit."""
        if insert.args.get("overwrite") or insert.args.get("returning") or insert.args.get("conflict"):
            raise not_supported("this form of INSERT")
        target = insert.this
        names = [column.name.lower() for column in target.expressions] if isinstance(target, exp.Schema) else None
        table = target.this if isinstance(target, exp.Schema) else target
        database, name = (table.db or execution.database).lower(), table.name.lower()
        found = await asyncio.to_thread(self._catalog.existing, database, name)
        if not is_iceberg(found):
            raise not_supported("INSERT INTO a table that is not Iceberg")
        job = await asyncio.to_thread(self._job, execution, insert.expression, scratch, True)
        await self._engine(execution, job)
        execution.written = await _to_its_end(self._append, database, name, names, Path(job["arrow"]))

    def _append(self, database: str, name: str, names: list[str] | None, rows: Path) -> int:
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        table = self._catalog.iceberg.load_table((database, name))
        schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
        names = names or schema.names
        with pa.ipc.open_file(str(rows)) as reader:
            given = reader.read_all()
        unknown = [column for column in names if column not in schema.names]
        if unknown:
            raise Refusal(
                f"COLUMN_NOT_FOUND: line 1:1: Insert column name does not exist in target table: {unknown[0]}"
            )
        if len(names) != given.num_columns:
            raise Refusal(
                f"TYPE_MISMATCH: line 1:1: Insert query has {given.num_columns} expression(s) but expected "
                f"{len(names)} target column(s)"
            )
        columns = []
        for field_ in schema:
            if field_.name not in names:
                columns.append(pa.nulls(given.num_rows, field_.type))
                continue
            column = given.column(names.index(field_.name))
            if column.null_count == len(column):
                columns.append(pa.nulls(given.num_rows, field_.type))
                continue
            if not _coercible(column.type, field_.type):
                raise Refusal(
                    f"TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: Table: [{field_.type}], "
                    f"Query: [{column.type}] (column {field_.name})"
                )
            try:
                columns.append(column.cast(field_.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise Refusal(f"INVALID_CAST_ARGUMENT: {field_.name}: {error}") from None
        table.append(pa.table(columns, schema=schema))
        return given.num_rows

    # --- DDL, SHOW and DESCRIBE ---

    def _utility(self, execution: Execution, statement: exp.Expression) -> list[str]:
        """Carries out a statement that is no query; the lines of its answer."""
        database, catalog = execution.database, self._catalog
        text = re.sub(r"\s*;\s*$", "", execution.sql.strip())
        if isinstance(statement, exp.Create):
            kind = statement.kind.upper()
            if kind in ("DATABASE", "SCHEMA"):
                catalog.create_database(statement)
            elif kind == "TABLE":
                catalog.create_table(statement, database)
            elif kind == "VIEW":
                self._create_view(execution, statement)
            else:
                raise not_supported(f"CREATE {kind}")
            return []
        if isinstance(statement, exp.Drop):
            kind, (target,) = statement.kind.upper(), statement.args["tables"]
            if kind in ("DATABASE", "SCHEMA"):
                cascade = bool(statement.args.get("cascade"))
                catalog.drop_database(target.name, bool(statement.args.get("exists")), cascade, database)
            elif kind in ("TABLE", "VIEW"):
                place = (target.db or database).lower()
                catalog.drop_table(place, target.name.lower(), bool(statement.args.get("exists")), kind)
            else:
                raise not_supported(f"DROP {kind}")
            return []
        if isinstance(statement, exp.Alter):
            actions = statement.args.get("actions") or []
            # Athena writes the columns in parentheses.
            if len(actions) != 1 or not isinstance(actions[0], exp.Schema):
                raise not_supported("ALTER TABLE other than ADD COLUMNS (…)")
            table = statement.this
            catalog.add_columns((table.db or database).lower(), table.name.lower(), actions[0].expressions)
            return []
        for kind, pattern in _SHOW.items():
            if found := re.fullmatch(pattern, text, re.IGNORECASE):
                return self._show(kind, {name: _plain(value) for name, value in found.groupdict().items()}, database)
        raise not_supported(text.split()[0].upper() if text else "an empty statement")

    def _show(self, kind: str, names: dict[str, str | None], database: str) -> list[str]:
        catalog = self._catalog
        like = re.compile((names.get("like") or "*").replace("*", ".*").replace("%", ".*"), re.IGNORECASE)
        if kind == "databases":
            return [item["Name"] for item in catalog.databases() if like.fullmatch(item["Name"])]
        place = (names.get("db") or database).lower()
        if kind == "tables":
            return [item["Name"] for item in catalog.tables(place) if like.fullmatch(item["Name"])]
        table = catalog.existing(place, names["table"].lower())
        if kind == "columns":
            return [column["Name"] for column in catalog.columns(table)]
        if kind == "create":
            return catalog.show_create_table(table)
        if kind == "properties":
            return [f"{name}\t{value}" for name, value in sorted((table.get("Parameters") or {}).items())]
        return catalog.describe(table)

    def _create_view(self, execution: Execution, statement: exp.Create) -> None:
        if isinstance(statement.this, exp.Schema):
            raise not_supported("CREATE VIEW with a list of columns")
        if statement.args.get("exists"):
            raise not_supported("CREATE VIEW IF NOT EXISTS")
        # The text itself is kept, as Athena does, not what a parser makes of it.
        begin = next(
            token.end for token in tokenize(execution.sql, read="athena") if token.token_type == TokenType.ALIAS
        )
        sql = execution.sql[begin + 1 :].strip().rstrip(";")
        translated = translate(parse(sql), sql, execution.database, self._catalog.resolve)
        view = statement.this
        columns = [(name, hive_name(kind)) for name, kind in zip(translated.names, translated.types, strict=True)]
        place = (view.db or execution.database).lower()
        self._catalog.create_view(place, view.name.lower(), sql, columns, bool(statement.args.get("replace")))

    # --- what is asked about executions ---

    def _execution(self, number: str) -> Execution:
        if number not in self._executions:
            raise ApiError("InvalidRequestException", f"QueryExecution {number} was not found")
        return self._executions[number]

    async def _get(self, request: dict) -> dict:
        return {"QueryExecution": self._execution(request["QueryExecutionId"]).describe()}

    async def _batch_get(self, request: dict) -> dict:
        numbers = request["QueryExecutionIds"]
        return {
            "QueryExecutions": [self._executions[n].describe() for n in numbers if n in self._executions],
            "UnprocessedQueryExecutionIds": [
                {"QueryExecutionId": n, "ErrorCode": "INVALID_QUERY_EXECUTION_ID", "ErrorMessage": f"{n} was not found"}
                for n in numbers
                if n not in self._executions
            ],
        }

    async def _stop(self, request: dict) -> dict:
        execution = self._execution(request["QueryExecutionId"])
        if execution.task and not execution.task.done():
            execution.task.cancel()
            await asyncio.gather(execution.task, return_exceptions=True)
            if not execution.completed:  # it had not begun
                execution.state, execution.completed = "CANCELLED", time.time()
        return {}

    async def _list(self, request: dict) -> dict:
        workgroup = request.get("WorkGroup") or "primary"
        numbers = [e.id for e in reversed(self._executions.values()) if e.workgroup == workgroup]
        start = _offset(request)
        end = start + int(request.get("MaxResults") or 50)
        return {"QueryExecutionIds": numbers[start:end]} | ({"NextToken": str(end)} if end < len(numbers) else {})

    async def _statistics(self, request: dict) -> dict:
        execution = self._execution(request["QueryExecutionId"])
        timeline = {
            key: value for key, value in execution.describe()["Statistics"].items() if key != "DataScannedInBytes"
        }
        return {
            "QueryRuntimeStatistics": {
                "Timeline": timeline,
                "Rows": {"InputBytes": execution.scanned},
            }
        }

    async def _results(self, request: dict) -> dict:
        execution = self._execution(request["QueryExecutionId"])
        if execution.state != "SUCCEEDED":
            what = "has failed" if execution.completed else "has not yet finished"
            raise ApiError(
                "InvalidRequestException",
                f"Query {what}. Current state: {execution.state}"
                if what.endswith("finished")
                else f"Query did not finish successfully. Final query state: {execution.state}",
            )
        size = int(request.get("MaxResults") or PAGE)
        if not 1 <= size <= PAGE:
            raise ApiError("InvalidRequestException", f"MaxResults is more than maximum allowed length {PAGE}.")
        rows, token = await asyncio.to_thread(_page, execution, request.get("NextToken"), size)
        answer: dict[str, Any] = {
            "ResultSet": {
                "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
                "ResultSetMetadata": {"ColumnInfo": execution.columns},
            },
            "UpdateCount": execution.written,
        }
        return answer | ({"NextToken": token} if token else {})

    # --- workgroups and the catalog ---

    def _workgroup(self, name: str) -> dict:
        if name not in self._workgroups:
            raise ApiError("InvalidRequestException", f"WorkGroup {name} is not found.")
        return self._workgroups[name]

    async def _create_workgroup(self, request: dict) -> dict:
        if request["Name"] in self._workgroups:
            raise ApiError("InvalidRequestException", "WorkGroup is already created")
        self._workgroups[request["Name"]] = request.get("Configuration") or {}
        return {}

    async def _get_workgroup(self, request: dict) -> dict:
        configuration = self._workgroup(request["WorkGroup"])
        return {"WorkGroup": {"Name": request["WorkGroup"], "State": "ENABLED", "Configuration": configuration}}

    async def _list_workgroups(self, request: dict) -> dict:
        return {"WorkGroups": [{"Name": name, "State": "ENABLED"} for name in self._workgroups]}

    async def _get_data_catalog(self, request: dict) -> dict:
        if request["Name"].lower() != CATALOG:
            raise ApiError("InvalidRequestException", f"The catalog {request['Name']} is not found.")
        return {"DataCatalog": {"Name": request["Name"], "Type": "GLUE"}}

    async def _list_data_catalogs(self, request: dict) -> dict:
        return {"DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]}

    async def _get_database(self, request: dict) -> dict:
        try:
            found = await asyncio.to_thread(self._catalog.existing_database, request["DatabaseName"].lower())
        except Refusal:
            raise ApiError("MetadataException", f"Database {request['DatabaseName']} not found.") from None
        return {"Database": _database(found)}

    async def _list_databases(self, request: dict) -> dict:
        return {"DatabaseList": [_database(d) for d in await asyncio.to_thread(self._catalog.databases)]}

    async def _get_table(self, request: dict) -> dict:
        name = request["TableName"].lower()
        try:
            found = await asyncio.to_thread(self._catalog.existing, request["DatabaseName"].lower(), name)
        except Refusal:
            raise ApiError("MetadataException", f"Table {request['TableName']} not found.") from None
        return {"TableMetadata": await asyncio.to_thread(self._table, found)}

    async def _list_tables(self, request: dict) -> dict:
        pattern = re.compile(request.get("Expression") or ".*")
        try:
            found = await asyncio.to_thread(self._catalog.tables, request["DatabaseName"].lower())
        except Refusal:
            raise ApiError("MetadataException", f"Database {request['DatabaseName']} not found.") from None
        wanted = [table for table in found if pattern.fullmatch(table["Name"])]
        return {"TableMetadataList": [await asyncio.to_thread(self._table, table) for table in wanted]}

    def _table(self, found: dict) -> dict:
        return {
            "Name": found["Name"],
            "TableType": found.get("TableType", "EXTERNAL_TABLE"),
            "Columns": [
                {"Name": c["Name"], "Type": c["Type"], "Comment": c.get("Comment") or ""}
                for c in self._catalog.columns(found)
            ],
            "PartitionKeys": [],
            "Parameters": found.get("Parameters") or {},
        }


def _database(found: dict) -> dict:
    return {"Name": found["Name"], "Parameters": found.get("Parameters") or {}} | (
        {"Description": found["Description"]} if found.get("Description") else {}
    )


def _plain(name: str | None) -> str | None:
    return name and name.strip('`"')


def _offset(request: dict) -> int:
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise ApiError("InvalidRequestException", "NextToken is malformed")
    return int(token)


def _page(execution: Execution, token: str | None, size: int) -> tuple[list[list], str | None]:
    """Rows of a result, a query's under a first one with its columns' names, and the token of the next page.

    A token is the place in the file of rows where the page begins.
    """
    found = [[column["Name"] for column in execution.columns]] if execution.is_query and token is None else []
    if execution.rows is None:
        return found, None
    with execution.rows.open("rb") as lines:
        try:
            lines.seek(int(token or 0))
            found += [json.loads(line) for line in islice(iter(lines.readline, b""), size - len(found))]
        except ValueError:
            raise ApiError("InvalidRequestException", "NextToken is malformed") from None
        return found, str(lines.tell()) if lines.peek(1) else None


def _coercible(given: Any, wanted: Any) -> bool:
    """Whether Trino lets a query's column (an Arrow type) into a table's without a cast."""
    import pyarrow.types as t

    if t.is_integer(given):
        return (
            (t.is_integer(wanted) and given.bit_width <= wanted.bit_width)
            or t.is_decimal(wanted)
            or t.is_floating(wanted)
        )
    if t.is_decimal(given):
        return t.is_decimal(wanted) or t.is_floating(wanted)
    if t.is_floating(given):
        return t.is_floating(wanted) and given.bit_width <= wanted.bit_width
    if t.is_date(given):
        return t.is_date(wanted) or t.is_timestamp(wanted)
    if t.is_timestamp(given):
        return t.is_timestamp(wanted) and (given.tz is None) == (wanted.tz is None)
    texts, bytes_ = (t.is_string, t.is_large_string), (t.is_binary, t.is_large_binary)
    for same in (texts, bytes_, (t.is_boolean,), (t.is_list, t.is_large_list), (t.is_map,), (t.is_struct,)):
        if any(is_(given) for is_ in same):
            return any(is_(wanted) for is_ in same)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _to_its_end(work: Callable[..., Any], *arguments: Any) -> Any:
    """Work that changes the catalog or a table: it cannot be stopped half-way, so a stopped query still awaits it."""
    task = asyncio.create_task(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task


def _text_column(name: str) -> dict:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": "string",
        "Precision": 0,
        "Scale": 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": True,
    }
