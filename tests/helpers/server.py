"""The app as `make run` starts it, in a process of its own, on a free port of 127.0.0.1."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from settings import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(database: Path, *, port: int, **environment: str) -> Iterator[str]:
    """`streamlit run`, as `make run` starts it, until its port answers; yields its URL."""
    with app_process(database, port=port, **environment):
        yield f"http://127.0.0.1:{port}"


def app_process(
    database: Path, *, port: int, **environment: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The process of `serving`."""
    command = ["streamlit", "run", "streamlit_app.py"]
    options = {"port": port, "address": "127.0.0.1", "headless": "true"}
    for name, value in options.items():
        command += [f"--server.{name}", str(value)]
    url = f"http://127.0.0.1:{port}"
    return started(command, database, probe=f"{url}/api/live", written=None, **environment)


@contextmanager
def started(
    module: list[str],
    database: Path,
    *,
    probe: str,
    written: IO[bytes] | None = None,
    **environment: str,
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m module` with a log in `database`; yields the process once `probe` answers.

    What it prints goes into the file `written`.
    """
    # Whatever is set where this runs, the log is the one that was asked for.
    clean = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and "TRYOUT_" not in k}
    # A pipe that nobody reads would block.
    output = written or tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=clean | {"TRYOUT_FEEDBACK__DATABASE": str(database)} | environment,
        stdout=output,
        stderr=output,
    )
    try:
        _wait(probe, process, output)
        yield process
    finally:
        process.kill()  # as a host would: nothing that was stored may be lost
        process.wait()
        output.close()


def _wait(url: str, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
    """Returns once `url` answers with 200; fails with the output of a process that has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            output.seek(0)
            raise AssertionError(f"the server ended: {output.read().decode()}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer within 60 s")
