"""The DAG under `airflow standalone`: an event of an asset starts a run, which updates another."""

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.texts import texts
from tests.flows.test_flows import bin_of, without_ours
from tests.helpers.command import run_alone
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.server import free_port

pytestmark = pytest.mark.prove


def test_an_event_of_an_asset_starts_a_run_that_updates_another(tmp_path: Path) -> None:
    source, home = tmp_path / "flyers.csv", tmp_path / "home"
    with source.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["id", "text"])
        rows.writerows(enumerate(texts(500)))
    home.mkdir()
    url = new_sqlite_log(tmp_path / "log.db")
    done = subprocess.run(
        [bin_of("airflow") / "python", Path(__file__).parent / "airflow" / "standalone.py"],
        env=without_ours(os.environ)
        | {
            "PATH": f"{bin_of('airflow')}:{os.environ['PATH']}",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__API__PORT": str(free_port()),
            "DATABASE_URL": url,
            "JOB_SOURCE": str(source),
            "JOB_KEY": "id",
            "JOB_NAME": "flyers",
            "JOB_FOLDER": str(tmp_path / "chunks"),
            "JOB_CHUNK_ROWS": "100",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["type"], run["state"]) == ("asset_triggered", "success")
    (figures,) = run["predictions"]
    assert (figures["rows"], figures["stored"], figures["new"]) == (500, 500, 500)
    status = run_alone("jobs.batch", "status", "flyers", "--json", DATABASE_URL=url)
    assert json.loads(status.out)["stored"] == 500
