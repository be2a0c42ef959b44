"""Flows of workflow tools, run by the tools themselves, over a real file and the bundled model.

A folder in deploy/flows is a tool, with packages that ours cannot be beside. The folder here of the
same name has a script that has the tool run the flow, in the tool's environment. The script gets
runs as JSON on its standard input: a list of the flow's parameters (source, text_column, key, name,
folder, chunk_rows). It runs one after the other, also after one that fails, and prints as its last
line a JSON list, by the tool's own records:

- `succeeded`: True or False;
- `repeated`: the number of tasks that the tool has tried more than once;
- `figures`: numbers of the run as the tool shows them, of which `rows`, `stored`, `rejects` and
  `new` (those that this run stored) are compared here; {} if it failed before there were any;
- `log`: the log of the tasks of the run.

It checks by itself what else the flow has, such as its schedule, and fails if that is wrong. The
tool's folders are below HOME, which is empty; <TOOL>_HOME names a folder there.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.texts import texts
from model import Model
from settings import ROOT
from tests.helpers.command import run_alone
from tests.helpers.databases import Postgres
from tests.helpers.databases import sqlite_log as new_sqlite_log

ROWS, CHUNK_ROWS = 500, 100
LONGEST_S = 900  # on a busy machine; pytest itself gives up later, see the Makefile
ON_POSTGRESQL = ["prefect"]  # the log of these; that of the others is an SQLite file
TOOLS = [
    pytest.param(name, marks=[pytest.mark.postgres] if name in ON_POSTGRESQL else [])
    for name in sorted(path.parent.name for path in Path(__file__).parent.glob("*/run.py"))
]
AWAY = "The model is away for a moment; try again."
# The interpreter of the flows' commands: `predict MANIFEST 3` is away the first time.
PYTHON = f"""#!/bin/sh
case "$3" in predict) call="predict $5" ;; *) call=$3 ;; esac
echo "$call" >> "$CALLS"
if [ "$call" = "predict 3" ] && mkdir "$CALLS.failed" 2> /dev/null; then
  echo "{AWAY}" >&2
  exit 75
fi
exec {sys.executable} "$@"
"""

pytestmark = pytest.mark.deploy


@dataclass(frozen=True, slots=True)
class Shown:
    """A run, as the tool shows it."""

    succeeded: bool
    repeated: int
    figures: dict[str, Any]
    log: str


@dataclass(frozen=True, slots=True)
class Flow:
    """The runs of a flow: over a file, over it again, of a wrong column, of a file without rows.

    `calls` are the steps that they called in order, such as "predict 3".
    """

    over_file: Shown
    again: Shown
    wrong_column: Shown
    without_rows: Shown
    calls: list[str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ROWS texts with ids."""
    file = tmp_path_factory.mktemp("source") / "flyers.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["id", "text"])
        rows.writerows([f"flyer-{number}", text] for number, text in enumerate(texts(ROWS)))
    return file


@pytest.fixture(scope="module")
def flow(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flow]:
    """The flow of a tool after its runs."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param in ON_POSTGRESQL:
        server: Postgres = request.getfixturevalue("postgres_server")
        with server.database(template=Postgres.TEMPLATE) as url:
            yield flow_of(request.param, source, folder, url)
    else:
        yield flow_of(request.param, source, folder, new_sqlite_log(folder / "log.db"))


def flow_of(tool: str, source: Path, folder: Path, log_url: str) -> Flow:
    """The flow of a tool, run in this order by the script of the tool."""
    empty = folder / "empty.csv"
    empty.write_text("id,text\n", encoding="utf-8")
    python = folder / "python"
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    home = folder / "home"
    (home / tool).mkdir(parents=True)
    ours = {
        "DATABASE_URL": log_url,
        "TRYOUT_MODEL__DTYPE": "float32",  # as the model here; "auto" goes by its speed
    }
    usual = {
        "source": str(source),
        "text_column": "text",
        "key": "id",
        "name": "flyers",
        "folder": str(folder / "chunks"),
        "chunk_rows": CHUNK_ROWS,
    }
    runs = [
        usual,
        usual,
        usual | {"text_column": "txt", "name": "wrong"},
        usual | {"source": str(empty), "name": "empty"},
    ]
    environment = (
        without_ours(os.environ)
        | ours
        | {
            "PATH": f"{bin_of(tool)}:{os.environ['PATH']}",
            "HOME": str(home),
            f"{tool.upper()}_HOME": str(home / tool),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # of its server, which has its own
            "TRYOUT_PYTHON": str(python),
            "CALLS": str(folder / "calls"),
        }
    )
    over_file, again, wrong_column, without_rows = (
        Shown(**run) for run in json.loads(output_of(tool, json.dumps(runs), environment))
    )
    return Flow(
        over_file,
        again,
        wrong_column,
        without_rows,
        calls=(folder / "calls").read_text(encoding="utf-8").splitlines(),
        environment=ours,
    )


def output_of(tool: str, runs: str, environment: dict[str, str]) -> str:
    """The last line that the script of a tool prints; what the tool left running is ended."""
    process = subprocess.Popen(
        [bin_of(tool) / "python", Path(__file__).parent / tool / "run.py"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, to be ended as a whole
    )
    try:
        out, err = process.communicate(runs, timeout=LONGEST_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, out[-5000:] + err[-10_000:]
    return out.splitlines()[-1]


def bin_of(tool: str) -> Path:
    """The folder of the programs of a tool's environment."""
    return ROOT / ".cache" / "flows" / tool / "bin"


def without_ours(environment: "os._Environ[str]") -> dict[str, str]:
    """The environment without settings of ours."""
    ours = ("TRYOUT_", "JOB_", "DATABASE_URL")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}


@pytest.mark.parametrize("flow", TOOLS, indirect=True, scope="module")
class TestFlow:
    def test_each_row_is_stored_once_with_the_label_that_the_model_gives(
        self, flow: Flow, model: Model, tmp_path: Path
    ) -> None:
        assert flow.over_file.succeeded, flow.over_file.log
        file = tmp_path / "flyers.csv"
        exported = run_alone(
            "jobs.batch", "export", "flyers", "--out", str(file), **flow.environment
        )
        assert exported.code == 0, exported.err
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert len(rows) == ROWS
        assert {row["key"]: row["label"] for row in rows} == {
            f"flyer-{number}": made.label for number, made in enumerate(model.predict(texts(ROWS)))
        }

    def test_the_tool_shows_the_figures_of_the_run(self, flow: Flow) -> None:
        figures = flow.over_file.figures
        assert {name: figures[name] for name in ("rows", "stored", "rejects", "new")} == {
            "rows": ROWS,
            "stored": ROWS,
            "rejects": 0,
            "new": ROWS,
        }

    def test_the_tool_repeats_a_task_that_failed(self, flow: Flow) -> None:
        chunks = [f"predict {number}" for number in range(ROWS // CHUNK_ROWS)]
        predicted = [call for call in flow.calls if call.startswith("predict")]
        assert sorted(predicted) == sorted([*chunks, "predict 3"])
        assert flow.over_file.repeated == 1
        assert AWAY in flow.over_file.log

    def test_a_second_run_stores_nothing_new(self, flow: Flow) -> None:
        assert flow.again.succeeded, flow.again.log
        figures = flow.again.figures
        assert (figures["rows"], figures["stored"], figures["new"]) == (ROWS, ROWS, 0)
        engine = sa.create_engine(
            flow.environment["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
        )
        with engine.connect() as connection:
            (ever,) = connection.execute(sa.text("SELECT count(*) FROM job_predictions")).one()
        engine.dispose()
        assert ever == ROWS

    def test_what_cannot_run_fails_at_once_with_our_sentence(self, flow: Flow) -> None:
        assert not flow.wrong_column.succeeded
        assert flow.wrong_column.repeated == 0
        assert flow.calls.count("prepare") == 4  # a call a run
        assert "There is no column" in flow.wrong_column.log
        assert "jobs/batch" not in flow.wrong_column.log  # a traceback of ours

    def test_a_source_without_rows_ends_well(self, flow: Flow) -> None:
        assert flow.without_rows.succeeded, flow.without_rows.log
        assert flow.without_rows.figures["stored"] == 0
