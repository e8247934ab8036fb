"""What the jobs raise themselves. Glue shows the message as the reason why a run failed."""


class TooManyRejectedError(ValueError):
    """More of a source's records are rejected than ``--max_rejected`` allows; the table is as it was."""


class LandingChangedError(RuntimeError):
    """A landing folder's files are not those that were there when the reading began."""


class MissingHandoverError(RuntimeError):
    """A job that runs earlier has left nothing for this one in this run."""


class NotStagedError(RuntimeError):
    """This run has not written a table that a job needs."""


class MainMovedError(RuntimeError):
    """Something else has changed a table since this run began; another attempt would find the same."""
