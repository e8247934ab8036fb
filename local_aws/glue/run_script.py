"""Runs a job's script inside ``spark-submit``, and writes why it failed to the file that its first argument names.

A copy of this file lies beside each run's script; it imports nothing of this project.
"""

import json
import os
import runpy
import sys
import traceback
from pathlib import Path

CATEGORIES = {
    "AnalysisException": "QUERY_ERROR",
    "ParseException": "QUERY_ERROR",
    "ImportError": "IMPORT_ERROR",
    "ModuleNotFoundError": "IMPORT_ERROR",
    "SyntaxError": "SYNTAX_ERROR",
}


def describe(error: BaseException, script: str) -> str:
    """The error as Glue words it: one line, with the script's line at which it came."""
    kind, text = type(error).__name__, str(error)
    if kind == "Py4JJavaError":
        thrown = error.java_exception  # type: ignore[attr-defined] # the Python side only repeats Java's stack trace
        kind, text = thrown.getClass().getSimpleName(), thrown.getMessage() or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # A Python function that ran inside Spark: what it raised is the last line of its own traceback.
    text = "" if not lines else lines[-1] if kind == "PythonException" else lines[0]
    numbers = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
    number = error.lineno if isinstance(error, SyntaxError) else numbers[-1] if numbers else None
    category = f"Error Category: {CATEGORIES.get(kind, 'UNCLASSIFIED_ERROR')}"
    return "; ".join([category, *([f"Failed Line Number: {number}"] if number else []), f"{kind}: {text}"])


def main() -> None:
    """Runs the script as ``__main__``; its exit code is the script's."""
    reason, script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).parent)
    # Spark starts Python with stderr joined to stdout; on Glue they are two logs.
    os.dup2(os.open("stderr", os.O_WRONLY | os.O_APPEND), 2)
    try:
        runpy.run_path(script, run_name="__main__")
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code in (None, 0):
            raise
        try:
            Path(reason).write_text(json.dumps(describe(error, script)))
        except Exception:  # Java may be gone: the traceback below still tells
            traceback.print_exc()
        if isinstance(error, SystemExit):
            raise
        # Without the frames of this file and of runpy.
        shown = error.__traceback__
        while shown and shown.tb_next and shown.tb_frame.f_code.co_filename != script:
            shown = shown.tb_next
        traceback.print_exception(type(error), error, shown)
        sys.exit(1)


if __name__ == "__main__":
    main()
