"""The DAG in Airflow, by `dag.test()`: in this process, by the rules of the scheduler."""

import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

FLOW = Path("deploy/flows/airflow/flow.py").resolve()
os.environ.update(
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(FLOW.parent),
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)


def main() -> None:
    """Runs the DAG with each set of parameters; prints the runs as Airflow recorded them."""
    subprocess.run(["airflow", "db", "migrate"], check=True, stdout=sys.stderr)
    runs = json.load(sys.stdin)
    with output_in_a_file() as log:
        dag = runpy.run_path(str(FLOW))["flow"]
        check(dag)
        shown_runs = [shown(dag, parameters, log) for parameters in runs]
    print(json.dumps(shown_runs))


def shown(dag: Any, parameters: dict[str, Any], log: IO[str]) -> dict[str, Any]:
    """A run in the records of Airflow."""
    run = dag.test(run_conf=parameters)
    sys.stdout.flush()
    tasks = run.get_task_instances()
    (store,) = (task for task in tasks if task.task_id == "store")
    figures = store.xcom_pull(task_ids="store") if run.state == "success" else {}
    assert events_of(run) == ([("predictions", figures)] if figures else [])
    return {
        "succeeded": run.state == "success",
        "repeated": sum(task.try_number > 1 for task in tasks),
        "figures": figures,
        "log": log.read(),
    }


def events_of(run: Any) -> list[tuple[str, Any]]:
    """The names of the assets that a run updated, with what it says of each."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))
        return [(event.asset.name, event.extra) for event in events]


def check(dag: Any) -> None:
    """Fails unless the DAG runs on Mondays, and when there is an event of its asset."""
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    saturday = pendulum.datetime(2026, 11, 28)
    following = timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=saturday, latest=None, catchup=True),
    )
    assert following.run_after == pendulum.datetime(2026, 11, 30, 6)
    assert [asset.name for _, asset in timetable.asset_condition.iter_assets()] == ["new_flyers"]


@contextmanager
def output_in_a_file() -> Iterator[IO[str]]:
    """The file that has what this process and those that it starts print meanwhile."""
    stdout = os.dup(1)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        with open(file.name, "a") as writing:
            sys.stdout.flush()
            os.dup2(writing.fileno(), 1)
            stderr = os.dup(2)
            os.dup2(writing.fileno(), 2)
        try:
            yield file
        except BaseException:
            os.write(stderr, Path(file.name).read_bytes())
            raise
        finally:
            sys.stdout.flush()
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)


if __name__ == "__main__":
    main()
