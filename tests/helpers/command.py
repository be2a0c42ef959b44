"""The project's commands, `python -m …`: in a process of their own, or in this one.

To start a process that predicts takes seconds for imports, which this process has had already.
"""

import io
import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from settings import ROOT


@dataclass(frozen=True, slots=True)
class Ran:
    """The exit code of a command, and its output."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def run_alone(module: str, *arguments: str, **environment: str) -> Ran:
    """Runs `python -m module` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=_clean() | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def run_here(module: str, *arguments: str, **environment: str) -> Ran:
    """Runs `python -m module` in this process, as its `__main__`."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, _clean() | environment, clear=True),
        mock.patch.object(sys, "argv", [module, *arguments]),
        mock.patch.object(logging.root, "handlers", []),  # a log without handlers is on stderr
        chdir(ROOT),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = _exit_code(module)
    return Ran(code, *(text.buffer.getvalue().decode("utf-8") for text in (out, err)))


def _exit_code(module: str) -> int:
    """Runs a module as `__main__`, to the exit code that the interpreter would give."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


def _clean() -> dict[str, str]:
    """The environment without settings of ours."""
    return {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and "TRYOUT_" not in k}
