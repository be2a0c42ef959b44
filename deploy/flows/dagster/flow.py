"""Predictions of a batch as an asset of Dagster: prepare, predict each chunk, store."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg

ROOT = Path(__file__).parents[3]
STEP = [str(ROOT / os.environ.get("TRYOUT_PYTHON", ".venv/bin/python")), "-m", "jobs.batch"]
AGAIN = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)
MAX_REJECTS, MAX_DRIFT = 0.01, 0.3  # a share of the rows; an effect size


class Batch(dg.Config):
    source: str = os.environ.get("JOB_SOURCE", "")
    text_column: str = os.environ.get("JOB_TEXT_COLUMN", "text")
    key: str = os.environ.get("JOB_KEY", "")
    name: str = os.environ.get("JOB_NAME", "")
    folder: str = os.environ.get("JOB_FOLDER", "data/flow")
    chunk_rows: int = int(os.environ.get("JOB_CHUNK_ROWS", "5000"))


def command(context: dg.OpExecutionContext, *arguments: str) -> Any:
    """The JSON that a step prints; its sentences go into the log of the run."""
    done = subprocess.run([*STEP, *arguments], cwd=ROOT, capture_output=True, text=True)
    sentences = done.stderr.strip() or f"{arguments[0]} ended with exit code {done.returncode}."
    context.log.info(sentences)
    if done.returncode not in (0, 1):  # 1: stored, with rejects; see few_rejects
        raise dg.Failure(sentences, allow_retries=done.returncode != 2)  # 2: cannot run
    return json.loads(done.stdout)


@dg.op(out={"manifest": dg.Out(), "chunks": dg.DynamicOut()}, retry_policy=AGAIN)
def prepare(context: dg.OpExecutionContext, config: Batch) -> Any:
    options = ["--text-column", config.text_column, "--key", config.key, "--name", config.name]
    options += ["--into", config.folder, "--chunk-rows", str(config.chunk_rows)]
    # Without a key a row is named by its place, where the next file has another text.
    options += ["--only-new"] if config.key else []
    yield dg.Output(f"{config.folder}/manifest.json", "manifest")
    for chunk in command(context, "prepare", config.source, *options):
        yield dg.DynamicOutput(chunk, mapping_key=str(chunk), output_name="chunks")


@dg.op(retry_policy=AGAIN)
def predict(context: dg.OpExecutionContext, manifest: str, chunk: int) -> Any:
    return command(context, "predict", manifest, str(chunk))


@dg.op(retry_policy=AGAIN)
def store(context: dg.OpExecutionContext, manifest: str, predicted: list[Any]) -> dg.Output[Any]:
    name = json.loads((ROOT / manifest).read_text(encoding="utf-8"))["name"]
    figures = command(context, "store", manifest) | command(context, "status", name, "--json")
    return dg.Output(figures, metadata={k: v for k, v in figures.items() if v is not None})


@dg.graph_asset
def predictions() -> Any:
    manifest, chunks = prepare()
    return store(manifest, chunks.map(lambda chunk: predict(manifest, chunk)).collect())


@dg.asset_check(asset=predictions, description=f"At most {MAX_REJECTS:.0%} rows are rejected")
def few_rejects(predictions: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=predictions["rejects"] <= MAX_REJECTS * predictions["rows"])


@dg.asset_check(asset=predictions, description="Like the job before of the same source")
def no_drift(predictions: dict[str, Any]) -> dg.AssetCheckResult:
    drift = predictions["drift"] or {"effect": 0.0}  # None: the first job of its source
    return dg.AssetCheckResult(passed=drift["effect"] <= MAX_DRIFT, metadata=drift)


job = dg.define_asset_job("predict_batch", [predictions])
weekly = dg.ScheduleDefinition(job=job, cron_schedule="0 6 * * 1")  # new flyers come in every week
two = dg.multiprocess_executor.configured({"max_concurrent": 2})  # copies of the model in memory
defs = dg.Definitions([predictions], [weekly], asset_checks=[few_rejects, no_drift], executor=two)
