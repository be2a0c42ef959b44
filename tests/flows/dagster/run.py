"""The flow in Dagster: once by its command line, then by the job of its schedule."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg

FLOW = Path("deploy/flows/dagster/flow.py")


def main() -> None:
    """Runs the flow with each set of parameters; prints the runs as Dagster recorded them."""
    Path(os.environ["DAGSTER_HOME"], "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    instance = dg.DagsterInstance.get()
    flow = runpy.run_path(str(FLOW))
    check(flow)
    first, *others = json.load(sys.stdin)
    runs = [by_command_line(first, instance)]
    job = flow["defs"].resolve_job_def("predict_batch")
    for parameters in others:
        done = job.execute_in_process(
            run_config=config(parameters), instance=instance, raise_on_error=False
        )
        runs.append(shown(instance, done.run_id))
    print(json.dumps(runs))


def config(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters as those of the first op of the asset."""
    return {"ops": {"predictions": {"ops": {"prepare": {"config": parameters}}}}}


def by_command_line(parameters: dict[str, Any], instance: dg.DagsterInstance) -> dict[str, Any]:
    """The run that `dagster asset materialize` makes, with a process for each step."""
    values = ["--config-json", json.dumps(config(parameters))]
    subprocess.run(
        ["dagster", "asset", "materialize", "--select", "*", "-f", str(FLOW), *values],
        stdout=sys.stderr,
    )
    (run,) = instance.get_runs()
    return shown(instance, run.run_id)


def shown(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    """The run in the records of Dagster."""
    entries = instance.all_logs(run_id)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    made = [event for event in events if event.event_type_value == "ASSET_MATERIALIZATION"]
    metadata = made[0].materialization.metadata if made else {}
    checked = [event for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
    assert len(checked) == (2 if made else 0)
    assert all(event.asset_check_evaluation_data.passed for event in checked)
    return {
        "succeeded": instance.get_run_by_id(run_id).is_success,
        "repeated": sum(event.event_type_value == "STEP_RESTARTED" for event in events),
        "figures": {name: entry.value for name, entry in metadata.items()},
        "log": "\n".join(
            [entry.user_message for entry in entries]
            + [event.step_failure_data.error_display_string for event in failures(events)]
        ),
    }


def failures(events: list[Any]) -> list[Any]:
    """The events of steps that failed."""
    return [event for event in events if event.event_type_value == "STEP_FAILURE"]


def check(flow: dict[str, Any]) -> None:
    """Fails unless the schedule is weekly, and the asset checks tell good batches from bad."""
    schedule = flow["defs"].resolve_schedule_def("predict_batch_schedule")
    assert schedule.cron_schedule == "0 6 * * 1"
    assert schedule.evaluate_tick(dg.build_schedule_context()).run_requests
    good = {"rows": 200, "rejects": 2, "drift": {"effect": 0.1}}
    bad = {"rows": 200, "rejects": 3, "drift": {"effect": 0.4}}
    for name in ("few_rejects", "no_drift"):
        assert flow[name](good).passed
        assert not flow[name](bad).passed
    assert flow["no_drift"](good | {"drift": None}).passed


if __name__ == "__main__":
    main()
