"""Runs a job's script in a JVM that serves other runs, too: says why it failed, and leaves the JVM as it was.

It imports nothing of this project, which the script must not find.
"""

import atexit
import contextlib
import gc
import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

#: A larger heap (bytes) is collected after a run. A third of it is in use between runs.
LARGE_HEAP = 700_000_000

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


def lend_jvm(name: str, packages: str, clean: Path) -> None:
    """Gives the JVM the run's own settings; at the end of Python, it is as before, and the file ``clean`` says so."""
    from pyspark import SparkContext

    SparkContext._ensure_initialized()
    jvm: Any = SparkContext._jvm
    gateway: Any = SparkContext._gateway
    properties = jvm.System.getProperties().clone()
    jvm.System.setProperty("spark.app.name", name)
    jvm.System.setProperty("spark.submit.pyFiles", packages)

    def give_back() -> None:
        gc.collect()  # what Python has forgotten, Java forgets, too
        context = getattr(getattr(jvm.org.apache.spark, "SparkContext$"), "MODULE$").getActive()
        if context.isDefined():
            context.get().stop()
        jvm.org.apache.spark.sql.SparkSession.clearDefaultSession()
        jvm.org.apache.spark.sql.SparkSession.clearActiveSession()
        jvm.org.apache.hadoop.fs.FileSystem.closeAll()
        jvm.System.setProperties(properties)
        jvm.java.util.TimeZone.setDefault(None)
        jvm.org.apache.logging.log4j.core.config.Configurator.reconfigure()
        # Py4J keeps what Python still refers to when it ends, such as the SparkContext. Two are its own.
        objects = gateway.java_gateway_server.getGateway().getBindings()
        objects.keySet().retainAll(jvm.java.util.List.of("j", "GATEWAY_SERVER"))
        if jvm.Runtime.getRuntime().totalMemory() > LARGE_HEAP:
            jvm.System.gc()  # which gives memory back
        clean.touch()

    def try_to_give_back() -> None:
        with contextlib.suppress(Exception):  # then the JVM ends
            give_back()

    # After the script's own threads and exit handlers.
    atexit.register(try_to_give_back)


def main() -> None:
    """Runs the script as ``__main__``; its exit code is the script's."""
    reason, clean, name, packages, script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).parent)
    lend_jvm(name, packages, Path(clean))
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
