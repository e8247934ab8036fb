"""The Athena API on the wire: its actions, their requests and answers, and Athena's errors. Work is done elsewhere."""

import asyncio
import functools
import importlib
import re
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from local_aws.athena.catalog import Catalog, Described, location_parts
from local_aws.athena.errors import MalformedQuery, QueryFailed
from local_aws.athena.executions import Execution, Executions
from local_aws.athena.parse import parse
from local_aws.athena.tables import CATALOG
from local_aws.calls import caller
from local_aws.json_api import ApiError
from local_aws.paging import page
from local_aws.settings import LocalAws

#: How many rows of a result, and how many executions, a page has at most.
ROWS, IDS = 1000, 50

Json = dict[str, Any]


class AthenaApi:
    """The actions of Athena's API, but for those on workgroups. Executions live as long as the server.

    ``workgroup`` gives a workgroup's configuration, or None.
    """

    def __init__(self, local_aws: LocalAws, workgroup: Callable[[str], Json | None]) -> None:
        self._catalogs = functools.cache(functools.partial(Catalog, local_aws))
        self._executions = Executions(local_aws, lambda: self._catalog)
        self._tokens: dict[str, Execution] = {}
        self._configuration = workgroup
        self._actions: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "StartQueryExecution": self._start,
            "StopQueryExecution": self._stop,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "GetQueryResults": self._results,
            "GetQueryRuntimeStatistics": self._statistics,
            "GetDataCatalog": self._get_data_catalog,
            "ListDataCatalogs": self._list_data_catalogs,
            "GetDatabase": self._get_database,
            "ListDatabases": self._list_databases,
            "GetTableMetadata": self._get_table,
            "ListTableMetadata": self._list_tables,
        }
        self.actions = frozenset(self._actions)

    async def handle(self, action: str, request: Json) -> Json:
        """Answers one request; raises ``ApiError``."""
        return await self._actions[action](request)

    @property
    def _catalog(self) -> Catalog:
        """The catalog as the caller sees it: on AWS, too, Athena asks Glue and S3 in the caller's name."""
        return self._catalogs(caller.get())

    def workgroup_of(self, execution_id: str) -> str | None:
        """The workgroup of an execution, if there is such a one."""
        execution = self._executions.get(execution_id)
        return execution.workgroup if execution else None

    async def close(self) -> None:
        """Ends the queries that are running."""
        await self._executions.close()

    # --- executions ---

    async def _start(self, request: Json) -> Json:
        _load_pyiceberg()
        token = request.get("ClientRequestToken") or ""
        if (earlier := self._tokens.get(token)) and self._executions.get(earlier.id):
            if earlier.sql != request["QueryString"]:
                raise _invalid("Idempotent parameters do not match")
            return {"QueryExecutionId": earlier.id}
        workgroup = request.get("WorkGroup") or "primary"
        configuration = self._workgroup(workgroup)
        places = [request.get("ResultConfiguration") or {}, configuration.get("ResultConfiguration") or {}]
        if configuration.get("EnforceWorkGroupConfiguration"):
            places.reverse()
        location = next((place["OutputLocation"] for place in places if place.get("OutputLocation")), None)
        if not location:
            raise _invalid(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        try:
            location_parts(location)
            statement = parse(request["QueryString"], request.get("ExecutionParameters"))
        except (MalformedQuery, QueryFailed) as error:
            raise _invalid(str(error)) from error
        context = request.get("QueryExecutionContext") or {}
        if context.get("Catalog", CATALOG).lower() != CATALOG:
            raise _invalid(f"The catalog {context['Catalog']} is not found.")
        database = (context.get("Database") or "default").lower()
        owner = next((place["ExpectedBucketOwner"] for place in places if place.get("ExpectedBucketOwner")), None)
        execution = Execution(request["QueryString"], statement, database, location, workgroup, owner)
        self._executions.start(execution)
        if token:
            self._tokens = {t: e for t, e in self._tokens.items() if self._executions.get(e.id)} | {token: execution}
        return {"QueryExecutionId": execution.id}

    def _execution(self, request: Json) -> Execution:
        execution_id = request["QueryExecutionId"]
        execution = self._executions.get(execution_id)
        if execution is None:
            raise _invalid(f"QueryExecution {execution_id} was not found")
        return execution

    async def _stop(self, request: Json) -> Json:
        await self._executions.stop(self._execution(request))
        return {}

    async def _get(self, request: Json) -> Json:
        return {"QueryExecution": self._execution(request).describe()}

    async def _batch_get(self, request: Json) -> Json:
        ids = request["QueryExecutionIds"]
        if not 1 <= len(ids) <= IDS:
            raise _invalid(f"QueryExecutionIds must have between 1 and {IDS} members")
        executions = {execution_id: self._executions.get(execution_id) for execution_id in ids}
        code = "INVALID_QUERY_EXECUTION_ID"
        return {
            "QueryExecutions": [execution.describe() for execution in executions.values() if execution],
            "UnprocessedQueryExecutionIds": [
                {"QueryExecutionId": missing, "ErrorCode": code, "ErrorMessage": f"{missing} was not found"}
                for missing, execution in executions.items()
                if not execution
            ],
        }

    async def _list(self, request: Json) -> Json:
        workgroup = request.get("WorkGroup") or "primary"
        self._workgroup(workgroup)
        return _page(self._executions.ids(workgroup), "QueryExecutionIds", request, IDS)

    async def _statistics(self, request: Json) -> Json:
        execution = self._execution(request)
        rows = {"InputBytes": execution.scanned}
        return {"QueryRuntimeStatistics": {"Timeline": execution.statistics(), "Rows": rows}}

    async def _results(self, request: Json) -> Json:
        execution = self._execution(request)
        if not execution.completed:
            raise _invalid(f"Query has not yet finished. Current state: {execution.state}")
        if execution.state != "SUCCEEDED":
            raise _invalid(f"Query did not finish successfully. Final query state: {execution.state}")
        size = int(request.get("MaxResults") or ROWS)
        if not 1 <= size <= ROWS:
            raise _invalid(f"MaxResults is more than maximum allowed length {ROWS}.")
        try:
            rows, token = await asyncio.to_thread(execution.page, request.get("NextToken"), size)
        except ValueError:
            raise _invalid("NextToken is malformed") from None
        result = {
            "Rows": [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": execution.columns},
        }
        return {"ResultSet": result, "UpdateCount": execution.written} | ({"NextToken": token} if token else {})

    # --- workgroups ---

    def _workgroup(self, name: str) -> Json:
        """A workgroup's configuration."""
        configuration = self._configuration(name)
        if configuration is None:
            raise _invalid(f"WorkGroup {name} is not found.")
        return configuration

    # --- the catalog ---

    async def _get_data_catalog(self, request: Json) -> Json:
        if request["Name"].lower() != CATALOG:
            raise _invalid(f"The catalog {request['Name']} is not found.")
        return {"DataCatalog": {"Name": request["Name"], "Type": "GLUE"}}

    async def _list_data_catalogs(self, request: Json) -> Json:
        return {"DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]}

    async def _get_database(self, request: Json) -> Json:
        name = request["DatabaseName"].lower()
        return {"Database": _database(await _found(f"Database {name}", self._catalog.existing_database, name))}

    async def _list_databases(self, request: Json) -> Json:
        databases = [_database(described) for described in await asyncio.to_thread(self._catalog.databases)]
        return _page(databases, "DatabaseList", request, IDS)

    async def _get_table(self, request: Json) -> Json:
        database, name = request["DatabaseName"].lower(), request["TableName"].lower()
        described = await _found(f"Table {name}", self._catalog.existing, database, name)
        return {"TableMetadata": await asyncio.to_thread(self._table, described)}

    async def _list_tables(self, request: Json) -> Json:
        pattern, name = re.compile(request.get("Expression") or ".*"), request["DatabaseName"].lower()
        tables = await _found(f"Database {name}", self._catalog.tables, name)
        asked = _page([t for t in tables if pattern.fullmatch(t["Name"])], "TableMetadataList", request, IDS)
        described = [await asyncio.to_thread(self._table, table) for table in asked["TableMetadataList"]]
        return {**asked, "TableMetadataList": described}

    def _table(self, described: Described) -> Json:
        return {
            "Name": described["Name"],
            "TableType": described.get("TableType", "EXTERNAL_TABLE"),
            "Columns": [
                {"Name": column["Name"], "Type": column["Type"], "Comment": column.get("Comment") or ""}
                for column in self._catalog.columns(described)
            ],
            "PartitionKeys": [],
            "Parameters": described.get("Parameters") or {},
        }


def _database(described: Described) -> Json:
    description = {"Description": described["Description"]} if described.get("Description") else {}
    return {"Name": described["Name"], "Parameters": described.get("Parameters") or {}, **description}


async def _found(what: str, look_up: Callable[..., Any], *names: str) -> Any:
    try:
        return await asyncio.to_thread(look_up, *names)
    except QueryFailed:
        raise ApiError("MetadataException", f"{what} not found.") from None


def _page(items: Sequence[Any], member: str, request: Json, size: int) -> Json:
    try:
        return page(items, member, request, size)
    except ValueError as error:
        raise _invalid(str(error)) from None


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidRequestException", message)


@functools.cache
def _load_pyiceberg() -> None:
    """Loads pyiceberg in the background: it takes as long as a query, and the first statement seldom needs it."""
    threading.Thread(target=importlib.import_module, args=("pyiceberg.table",), daemon=True).start()
