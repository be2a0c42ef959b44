"""The two sides of a comparison: a tree each, and what is started from it.

Of a tree only what that of any commit has is used: its server, class Model and commands.
"""

import json
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.running import TOO_SLOW, NotMeasured, done, end, environment, reason, why_not
from benchmarks.servers import EXPORT_S, ONNX, Server, first_prediction, tryout
from model.export.parity import TEXTS

BEFORE, AFTER = "before", "after"
PREDICTING = Path(__file__).parent / "predicting.py"
PREDICTS_S = 120


@dataclass(frozen=True, slots=True)
class Side:
    """A tree, the Python that runs it, a folder for what it writes; `name` is BEFORE or AFTER."""

    name: str
    tree: Path
    python: str
    folder: Path

    def export(self) -> Path:
        """Its model as an int8 ONNX graph, written by its own command at the first call."""
        folder = self.folder / "onnx"
        if not folder.is_dir():
            options = ("--int8", "--out", str(folder))
            done("model.export", *options, limit_s=EXPORT_S, python=self.python, tree=self.tree)
        return folder


def turns(sides: Sequence[Side], rounds: int) -> Iterator[Side]:
    """Each side so many times, in pairs of which the next has the other order."""
    for number in range(rounds):
        yield from sides if number % 2 == 0 else reversed(sides)


@contextmanager
def served(sides: Sequence[Side], app: str, log: str) -> Iterator[dict[str, Server]]:
    """The servers of both sides by name, each with its model loaded; `log` is a file's name."""
    with ExitStack() as stack:
        servers = {}
        for side in sides:
            with _named(side):
                export = side.export() if app == ONNX else None
                server = tryout(
                    side.folder / log, export=export, tree=side.tree, python=side.python
                )
                servers[side.name] = stack.enter_context(server)
                first_prediction("tryout", servers[side.name])
        yield servers


class Predicting:
    """A process of a side with class Model in it, which measures when it is asked to."""

    def __init__(self, started: "subprocess.Popen[bytes]") -> None:
        self._started = started
        self.dtype = str(self._answer())

    def texts_per_s(self) -> float:
        assert self._started.stdin
        self._started.stdin.write(b"\n")
        return float(self._answer())

    def _answer(self) -> Any:
        stdout = self._started.stdout
        assert stdout
        readable, _, _ = select.select([stdout], [], [], PREDICTS_S)
        if not readable:
            raise NotMeasured(f"{TOO_SLOW}: no answer within {PREDICTS_S} s")
        line = stdout.readline()
        if not line:
            raise EOFError("it ended")
        return json.loads(line)


@contextmanager
def predicting(side: Side, app: str) -> Iterator[Predicting]:
    """class Model of the side's tree, in a process of its own."""
    with _named(side):
        model = ("onnx", str(side.export())) if app == ONNX else ("torch", "model/bundled")
    with tempfile.TemporaryFile() as stderr:
        started = subprocess.Popen(
            [side.python, "-P", str(PREDICTING), str(TEXTS), *model],
            cwd=side.tree,
            env=environment({"PYTHONPATH": str(side.tree)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
        )
        try:
            yield Predicting(started)
        except (EOFError, BrokenPipeError) as error:
            stderr.seek(0)
            why = reason(stderr.read().decode(errors="replace"))
            raise NotMeasured(f"{side.name}: {why}") from error
        finally:
            end(started)


@contextmanager
def _named(side: Side) -> Iterator[None]:
    """Says of which side a reason is."""
    try:
        yield
    except Exception as error:
        raise NotMeasured(f"{side.name}: {why_not(error)}") from error
