"""What the jobs raise themselves. Glue shows the message as the reason why a run failed."""


class TooManyRejectedError(ValueError):
    """More of a source's records are rejected than ``--max_rejected`` allows; the table is as it was."""


class LandingChangedError(RuntimeError):
    """A landing folder's files are not those that were there when the reading began."""


class MissingHandoverError(RuntimeError):
    """A job that runs earlier has left nothing for this one in this run."""


class NotStagedError(RuntimeError):
    """A table that a job needs was not staged by this run, or its staged snapshot is not the one that was checked."""


class MainMovedError(RuntimeError):
    """A table is neither as it was before nor as this run, or the last release, has left it."""
