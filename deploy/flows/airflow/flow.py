"""Predictions of a batch as a DAG of Airflow: prepare, predict each chunk, store."""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

ROOT = Path(__file__).resolve().parents[3]
PYTHON = str(ROOT / os.environ.get("TRYOUT_PYTHON", ".venv/bin/python"))
AGAIN = {"retries": 3, "retry_delay": timedelta(seconds=10), "retry_exponential_backoff": 2}
MAX_REJECTS, MAX_DRIFT = 0.01, 0.3  # a share of the rows; an effect size

FLYERS = Asset("new_flyers")  # an event of it starts a run: of another DAG, or sent by the API
PREDICTIONS = Asset("predictions")  # with the figures of the run; other DAGs can wait for it
MONDAYS = CronTriggerTimetable("0 6 * * 1", timezone="UTC")


def command(*arguments: str) -> Any:
    """The JSON that a step prints; its sentences go to the log of the task."""
    call = [PYTHON, "-m", "jobs.batch", *arguments]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    print(done.stderr, end="")
    if done.returncode not in (0, 1):  # 1: stored, with rejects; see their share below
        sentences = done.stderr.strip() or f"{arguments[0]} ended with {done.returncode}."
        raise (AirflowFailException if done.returncode == 2 else RuntimeError)(sentences)
    return json.loads(done.stdout)


@task
def prepare(params: dict[str, Any]) -> list[int]:
    options = ["--text-column", params["text_column"], "--key", params["key"]]
    options += ["--name", params["name"], "--chunk-rows", str(params["chunk_rows"])]
    # Without a key a row is named by its place, where the next file has another text.
    options += ["--only-new"] if params["key"] else []
    return command("prepare", params["source"], "--into", params["folder"], *options)


@task(max_active_tis_per_dagrun=2)  # a model in each
def predict(chunk: int, params: dict[str, Any]) -> dict[str, Any]:
    return command("predict", f"{params['folder']}/manifest.json", str(chunk))


@task(outlets=[PREDICTIONS], trigger_rule="none_failed")  # an empty source has no chunks: skipped
def store(params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
    manifest = ROOT / params["folder"] / "manifest.json"
    name = json.loads(manifest.read_text(encoding="utf-8"))["name"]
    figures = command("store", str(manifest)) | command("status", name, "--json")
    outlet_events[PREDICTIONS].extra = figures
    drift = (figures["drift"] or {"effect": 0.0})["effect"]  # None: the first job of its source
    if figures["rejects"] > MAX_REJECTS * figures["rows"] or drift > MAX_DRIFT:
        raise AirflowFailException(f"Stored, with {figures['rejects']} rejects and drift {drift}.")
    return figures


@dag(
    schedule=AssetOrTimeSchedule(timetable=MONDAYS, assets=[FLYERS]),  # flyers of the week
    max_active_runs=1,
    default_args=AGAIN,
    params={
        "source": os.environ.get("JOB_SOURCE", ""),
        "text_column": os.environ.get("JOB_TEXT_COLUMN", "text"),
        "key": os.environ.get("JOB_KEY", ""),
        "name": os.environ.get("JOB_NAME", ""),
        "folder": os.environ.get("JOB_FOLDER", "data/flow"),
        "chunk_rows": int(os.environ.get("JOB_CHUNK_ROWS", "5000")),
    },
)
def predict_batch() -> None:
    """Predicts the texts of a source every Monday, and whenever there are new flyers."""
    predict.expand(chunk=prepare()) >> store()


flow = predict_batch()
