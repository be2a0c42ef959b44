"""Predictions of a batch as a flow of Prefect: prepare, predict each chunk, store."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task, unmapped
from prefect.artifacts import create_table_artifact
from prefect.states import Failed
from prefect.task_runners import ThreadPoolTaskRunner

ROOT = Path(__file__).parents[3]
STEP = [str(ROOT / os.environ.get("TRYOUT_PYTHON", ".venv/bin/python")), "-m", "jobs.batch"]
MAX_REJECTS, MAX_DRIFT = 0.01, 0.3  # a share of the rows; an effect size


class CannotRun(RuntimeError):
    """A step that would fail again."""


def command(*arguments: str) -> Any:
    """The JSON that a step prints; its sentences go into the log of the run."""
    done = subprocess.run([*STEP, *arguments], cwd=ROOT, capture_output=True, text=True)
    sentences = done.stderr.strip() or f"{arguments[0]} ended with exit code {done.returncode}."
    get_run_logger().info(sentences)
    if done.returncode not in (0, 1):  # 1: stored, with rejects; the flow looks at their share
        raise (CannotRun if done.returncode == 2 else RuntimeError)(sentences)
    return json.loads(done.stdout)


def can_run(task: Any, run: Any, state: Any) -> bool:
    return not isinstance(state.result(raise_on_failure=False), CannotRun)


again = {"retries": 3, "retry_delay_seconds": [10, 20, 40], "retry_condition_fn": can_run}


@task(**again)
def prepare(source: str, *options: str) -> list[int]:
    return command("prepare", source, *options)


@task(**again)
def predict(manifest: str, chunk: int) -> dict[str, Any]:
    return command("predict", manifest, str(chunk))


@task(**again)
def store(manifest: str) -> dict[str, Any]:
    name = json.loads((ROOT / manifest).read_text(encoding="utf-8"))["name"]
    return command("store", manifest) | command("status", name, "--json")


@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))  # copies of the model in memory
def predict_batch(
    source: str = os.environ.get("JOB_SOURCE", ""),
    text_column: str = os.environ.get("JOB_TEXT_COLUMN", "text"),
    key: str = os.environ.get("JOB_KEY", ""),
    name: str = os.environ.get("JOB_NAME", ""),
    folder: str = os.environ.get("JOB_FOLDER", "data/flow"),
    chunk_rows: int = int(os.environ.get("JOB_CHUNK_ROWS", "5000")),
) -> Any:
    options = ["--text-column", text_column, "--key", key, "--name", name]
    options += ["--into", folder, "--chunk-rows", str(chunk_rows)]
    # Without a key a row is named by its place, where the next file has another text.
    options += ["--only-new"] if key else []
    chunks, manifest = prepare(source, *options), f"{folder}/manifest.json"
    predict.map(unmapped(manifest), chunks).result()
    figures = store(manifest)
    create_table_artifact([figures], key="predictions", description=figures["name"])
    drift = (figures["drift"] or {"effect": 0.0})["effect"]  # None: the first job of its source
    if figures["rejects"] > MAX_REJECTS * figures["rows"] or drift > MAX_DRIFT:
        return Failed(message=f"{figures['rejects']} rejects, drift {drift}; see the artifact.")
    return figures
