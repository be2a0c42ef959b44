"""The DAG under `airflow standalone`: an event of its asset starts a run, which updates another."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

HOME = Path(os.environ["AIRFLOW_HOME"])
PORT = os.environ["AIRFLOW__API__PORT"]
LONGEST_S = 300


def main() -> None:
    """Prints the run that the event started, and the events of the asset that it updated."""
    HOME.mkdir(exist_ok=True)
    with (HOME / "standalone.log").open("w") as log:
        airflow = subprocess.Popen(
            ["airflow", "standalone"],
            env=os.environ
            | {
                "AIRFLOW__CORE__DAGS_FOLDER": str(Path("deploy/flows/airflow").resolve()),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__PARALLELISM": "2",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{PORT}/execution/",
                "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            },
            stdout=log,
            stderr=log,
            start_new_session=True,  # its idle workers ignore SIGTERM
        )
        try:
            print(json.dumps(triggered()))
        except BaseException:
            print((HOME / "standalone.log").read_text()[-10_000:], file=sys.stderr)
            raise
        finally:
            os.killpg(airflow.pid, signal.SIGKILL)


def triggered() -> dict[str, Any]:
    """The run that an event of the asset `new_flyers` starts, and what it says of `predictions`."""
    passwords = HOME / "simple_auth_manager_passwords.json.generated"
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        until(lambda: is_up(client) and passwords.exists())
        login = {"username": "admin", "password": json.loads(passwords.read_text())["admin"]}
        token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"

        def get(path: str, **params: Any) -> Any:
            return client.get(f"/api/v2/{path}", params=params).raise_for_status().json()

        until(lambda: any(dag["dag_id"] == "predict_batch" for dag in get("dags")["dags"]))
        client.patch("/api/v2/dags/predict_batch", json={"is_paused": False}).raise_for_status()
        ids = {asset["name"]: asset["id"] for asset in get("assets")["assets"]}
        event = {"asset_id": ids["new_flyers"]}
        client.post("/api/v2/assets/events", json=event).raise_for_status()

        def ended() -> Any:
            runs = get("dags/predict_batch/dagRuns")["dag_runs"]
            return next((run for run in runs if run["state"] in ("success", "failed")), None)

        run = until(ended)
        events = get("assets/events", asset_id=ids["predictions"])["asset_events"]
        tasks = get(f"dags/predict_batch/dagRuns/{run['dag_run_id']}/taskInstances")
        return {
            "type": run["run_type"],
            "state": run["state"],
            "predictions": [event["extra"] for event in events],
            "repeated": sum(task["try_number"] > 1 for task in tasks["task_instances"]),
        }


def until(condition: Callable[[], Any]) -> Any:
    """The first answer that is true; raises TimeoutError."""
    deadline_s = time.monotonic() + LONGEST_S
    while not (answer := condition()):
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(1)
    return answer


def is_up(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/api/v2/monitor/health").is_success)
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
