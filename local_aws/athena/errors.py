"""Athena's errors, apart so that every module can raise them, the engine's process (which loads no sqlglot) too."""

#: Ends the messages that the translated SQL fails with, so that the engine can cut them out of DuckDB's own.
END_OF_MESSAGE = "\x1e"


class MalformedQuery(ValueError):
    """The text is no statement of Athena's at all: StartQueryExecution rejects it."""


class QueryFailed(Exception):
    """The statement fails, with this StateChangeReason. ``{position}`` in it stands for line:column."""


class NotSupported(QueryFailed):
    """The statement may be good in Athena; the local Athena does not know how to answer it as Athena does."""

    def __init__(self, what: str) -> None:
        super().__init__(f"NOT_SUPPORTED: {what} is not supported by the local Athena")
