"""The flow in Metaflow, by its own command `run`, with a process for each task."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

FLOW = Path("deploy/flows/metaflow/flow.py").resolve()
os.environ.update(METAFLOW_USER="tester", METAFLOW_DEFAULT_METADATA="local")


def main() -> None:
    """Runs the flow with each set of parameters; prints the runs as Metaflow recorded them."""
    os.chdir(os.environ["METAFLOW_HOME"])  # where Metaflow makes the folder of its runs
    check()
    print(json.dumps([shown(parameters) for parameters in json.load(sys.stdin)]))


def shown(parameters: dict[str, Any]) -> dict[str, Any]:
    """A run in the records of Metaflow."""
    from metaflow import Flow
    from metaflow.cards import get_cards

    parameters = {"job" if name == "name" else name: value for name, value in parameters.items()}
    options = [f"--{name}={value}" for name, value in parameters.items()]
    done = subprocess.run(
        [sys.executable, FLOW, "run", "--max-workers=2", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    run = Flow("PredictBatch").latest_run
    assert (done.returncode == 0) == run.successful, done.stdout
    figures = run["store"].task["figures"].data if run.successful else {}
    if run.successful:
        (card,) = get_cards(run["store"].task)
        assert str(figures["stored"]) in card.get()
    tasks = [task for step in run for task in step]
    return {
        "succeeded": run.successful,
        "repeated": sum(task.current_attempt > 0 for task in tasks),
        "figures": figures,
        "log": done.stdout,
    }


def check() -> None:
    """Fails unless the schedule is weekly."""
    from metaflow.flowspec import FlowStateItems

    flow = runpy.run_path(str(FLOW))["PredictBatch"]
    (schedule,) = flow._flow_state[FlowStateItems.FLOW_DECORATORS]["schedule"]
    assert schedule.attributes["weekly"]


if __name__ == "__main__":
    main()
