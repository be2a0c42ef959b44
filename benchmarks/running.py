"""Bounds on what a measurement may cost: its time, and the loss of others where it fails.

A measurement runs in a process of its own and prints JSON. Where there is no figure, a sentence
that says why takes its place, up to the report. Knows neither apps nor figures.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from settings import ROOT

T = TypeVar("T")
TOO_SLOW = "too slow"
REST = "the rest"  # of what a measurement that ended early would have printed


class NotMeasured(Exception):
    """There is no figure; the message says why and is fit for a cell of a table."""


def outcome(measure: Callable[[], T]) -> T | str:
    """The value that `measure` returns, or the reason why there is none."""
    try:
        return measure()
    except Exception as error:  # noqa: BLE001 - one failure must not cost the other figures
        return why_not(error)


def guarded(key: str, pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The pairs; where an exception ends them, `key` with the reason is the last."""
    try:
        yield from pairs
    except Exception as error:  # noqa: BLE001 - one failure must not cost the other figures
        yield key, why_not(error)


def why_not(error: Exception) -> str:
    """Why there is no figure: a reason as it is, of another error its kind and first line."""
    if isinstance(error, NotMeasured):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"failed: {type(error).__name__}" + (f": {lines[0]}" if lines else "")


def within(limit_s: float, run: Callable[[], object]) -> None:
    """Runs it in a thread, which is left alone after so many seconds; raises NotMeasured then."""
    failed: list[Exception] = []

    def attempt() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise NotMeasured(f"{TOO_SLOW}: not done within {limit_s:.0f} s")
    if failed:
        raise failed[0]


def brief(value: Any) -> str:
    """A figure, or figures by name, on a line of the terminal."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {brief(inner)}" for name, inner in value.items())
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def figures(module: str, *arguments: str, limit_s: float) -> dict[str, Any]:
    """The JSON object in the last such line that `python -m MODULE` prints.

    A measurement may print its figures so far, a line each time. If it then fails or outlasts
    `limit_s` seconds, those stay, and REST says why there are no more. Raises NotMeasured if
    it printed none.
    """
    with process(module, *arguments) as finish:
        return parsed(*finish(limit_s))


def parsed(printed: str, why: str) -> dict[str, Any]:
    """The figures that were printed, and with `why`, unless it is empty, that as the REST."""
    measured: dict[str, Any] = {}
    for line in printed.splitlines():
        if line.startswith("{"):
            measured = json.loads(line)
    if not measured:
        raise NotMeasured(why or "failed: it printed no figures")
    return measured | ({REST: why} if why else {})


def done(
    module: str,
    *arguments: str,
    limit_s: float,
    python: str = sys.executable,
    tree: Path = ROOT,
) -> None:
    """Runs `python -m MODULE` in `tree`; raises NotMeasured if it fails or outlasts `limit_s`."""
    with process(module, *arguments, python=python, tree=tree) as finish:
        _, why = finish(limit_s)
    if why:
        raise NotMeasured(why)


@contextmanager
def process(
    module: str, *arguments: str, python: str = sys.executable, tree: Path = ROOT
) -> Iterator[Callable[[float], tuple[str, str]]]:
    """Starts `python -m MODULE` in `tree`, and ends it with all that it started.

    The function that it gives waits for it, so many seconds at most, and returns what it printed
    and why it did not end well, "" if it did.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = subprocess.Popen(
            [python, "-m", module, *arguments],
            cwd=tree,
            env=environment(),
            stdout=stdout,
            stderr=stderr,
        )

        def finish(limit_s: float) -> tuple[str, str]:
            why = ""
            try:
                started.wait(limit_s)
            except subprocess.TimeoutExpired:
                why = f"{TOO_SLOW}: not done within {limit_s:.0f} s"
                end(started)
            if started.returncode and not why:
                stderr.seek(0)
                errors = stderr.read().decode(errors="replace")
                print(errors, file=sys.stderr)
                why = reason(errors)
            stdout.seek(0)
            return stdout.read().decode(errors="replace"), why

        try:
            yield finish
        finally:
            end(started)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of this process without settings of Tryout, and with `more`."""
    ours = ("TRYOUT_", "DATABASE_URL", "PYTHONPATH")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | dict(more or {})


def end(started: "subprocess.Popen[bytes]") -> None:
    """Kills a process and all that it started, and waits for it."""
    if started.poll() is None:
        for other in psutil.Process(started.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                other.kill()
        started.kill()
    started.wait()


def reason(stderr: str) -> str:
    """Why a measurement failed: the last line on stderr that is not indented, as frames are."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip() == line.rstrip() != ""]
    last = lines[-1] if lines else "it gave no reason"
    return last if last.startswith(TOO_SLOW) else f"failed: {last}"
