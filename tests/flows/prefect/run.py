"""The flow in Prefect: once as its deployment by a worker, then as a function."""

import json
import os
import runpy
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import prefect
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.deployments import run_deployment
from prefect.testing.utilities import prefect_test_harness

FOLDER = "deploy/flows/prefect"


def main() -> None:
    """Runs the flow with each set of parameters; prints the runs as Prefect's API shows them."""
    first, *others = json.load(sys.stdin)
    flow = runpy.run_path(f"{FOLDER}/flow.py")["predict_batch"]
    with prefect_test_harness(server_startup_timeout=120):
        os.environ["PREFECT_API_URL"] = str(prefect.settings.PREFECT_API_URL.value())
        runs = [shown(by_worker(first))]
        for parameters in others:
            state = flow(**parameters, return_state=True)
            runs.append(shown(state.state_details.flow_run_id))
        check(flow, others[-1])
    print(json.dumps(runs))


def check(flow: Any, parameters: dict[str, Any]) -> None:
    """Fails unless a run ends as failed, with its figures shown, after rejects or a drift."""
    good = {"name": "checked", "rows": 200, "rejects": 2, "drift": {"effect": 0.1}}
    for figures, is_good in (
        (good, True),
        (good | {"drift": None}, True),
        (good | {"rejects": 3}, False),
        (good | {"drift": {"effect": 0.4}}, False),
    ):
        printed = {"prepare": [], "store": {}, "status": figures}
        flow.fn.__globals__["command"] = lambda step, *_, printed=printed: printed[step]
        state = flow(**parameters, return_state=True)
        assert state.is_completed() is is_good
        assert shown(state.state_details.flow_run_id)["figures"] == figures


def by_worker(parameters: dict[str, Any]) -> UUID:
    """The run of the deployment that a worker of a pool carries out."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="local", type="process"))
    file = f"{FOLDER}/prefect.yaml"
    subprocess.run(
        ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", file],
        stdout=sys.stderr,
        check=True,
    )
    with get_client(sync_client=True) as client:
        deployed = client.read_deployment_by_name("predict-batch/weekly")
    (schedule,) = deployed.schedules
    assert schedule.active
    assert schedule.schedule.cron == "0 6 * * 1"
    run = run_deployment("predict-batch/weekly", parameters=parameters, timeout=0)
    subprocess.run(
        ["prefect", "worker", "start", "--pool", "local", "--run-once"],
        stdout=sys.stderr,
        check=True,
    )
    return UUID(str(run.id))


def shown(run_id: UUID) -> dict[str, Any]:
    """The run in the records of the server."""
    its_own = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        tasks = client.read_task_runs(flow_run_filter=its_own)
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(
                flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
                key=ArtifactFilterKey(any_=["predictions"]),
            )
        )
    return {
        "succeeded": run.state.is_completed(),
        "repeated": sum(task.run_count > 1 for task in tasks),
        "figures": json.loads(artifacts[0].data)[0] if artifacts else {},
        "log": log_of(run_id),
    }


def log_of(run_id: UUID) -> str:
    """The log of a run, once it is on the server: it is sent in groups."""
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        for _ in range(100):
            messages = [log.message for log in client.read_logs(of_run, limit=200)]
            if any(message.startswith("Finished in state") for message in messages):
                return "\n".join(messages)
            time.sleep(0.1)
    raise TimeoutError(messages)


if __name__ == "__main__":
    main()
