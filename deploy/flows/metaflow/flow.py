"""Predictions of a batch as a flow of Metaflow: prepare, predict each chunk, store."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from metaflow import FlowSpec, Parameter, card, current, retry, schedule, step
from metaflow.cards import Markdown, Table
from metaflow.exception import METAFLOW_EXIT_DISALLOW_RETRY

# In a container of the cloud this file is apart from the repository.
ROOT = Path(os.environ.get("TRYOUT_ROOT", Path(__file__).resolve().parent / "../../.."))
PYTHON = str(ROOT / os.environ.get("TRYOUT_PYTHON", ".venv/bin/python"))
MAX_REJECTS, MAX_DRIFT = 0.01, 0.3  # a share of the rows; an effect size


def command(*arguments: str) -> Any:
    """The JSON that a step prints; its sentences go to the log of the task."""
    call = [PYTHON, "-m", "jobs.batch", *arguments]
    done = subprocess.run(call, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):  # 1: stored, with rejects; see their share below
        sys.exit(METAFLOW_EXIT_DISALLOW_RETRY if done.returncode == 2 else done.returncode)
    return json.loads(done.stdout)


@schedule(weekly=True)  # flyers of the week
class PredictBatch(FlowSpec):
    source = Parameter("source", default=os.environ.get("JOB_SOURCE", ""))
    text_column = Parameter("text_column", default=os.environ.get("JOB_TEXT_COLUMN", "text"))
    key = Parameter("key", default=os.environ.get("JOB_KEY", ""))
    job = Parameter("job", default=os.environ.get("JOB_NAME", ""))
    folder = Parameter("folder", default=os.environ.get("JOB_FOLDER", "data/flow"))
    chunk_rows = Parameter("chunk_rows", default=int(os.environ.get("JOB_CHUNK_ROWS", "5000")))

    @retry(times=3, minutes_between_retries=1)
    @step
    def start(self) -> None:
        options = ["--text-column", self.text_column, "--key", self.key]
        options += ["--name", self.job, "--chunk-rows", str(self.chunk_rows)]
        # Without a key a row is named by its place, where the next file has another text.
        options += ["--only-new"] if self.key else []
        chunks = command("prepare", self.source, "--into", self.folder, *options)
        self.manifest = str(Path(self.folder) / "manifest.json")
        self.chunks = chunks or [None]  # a foreach over nothing is an error
        self.next(self.predict, foreach="chunks")

    @retry(times=3, minutes_between_retries=1)
    @step
    def predict(self) -> None:
        if self.input is not None:
            command("predict", self.manifest, str(self.input))
        self.next(self.store)

    @card
    @retry(times=3, minutes_between_retries=1)
    @step
    def store(self, inputs: Any) -> None:
        manifest = inputs[0].manifest
        job = json.loads((ROOT / manifest).read_text(encoding="utf-8"))["name"]
        self.figures = command("store", manifest) | command("status", job, "--json")
        current.card.append(Markdown(f"# {job}"))
        current.card.append(Table([[k, str(v)] for k, v in self.figures.items()]))
        self.next(self.end)

    @step
    def end(self) -> None:
        figures = self.figures
        drift = (figures["drift"] or {"effect": 0.0})["effect"]  # None: the first of its source
        if figures["rejects"] > MAX_REJECTS * figures["rows"] or drift > MAX_DRIFT:
            sys.exit(f"Stored, with {figures['rejects']} rejects and drift {drift}.")


if __name__ == "__main__":
    PredictBatch()
