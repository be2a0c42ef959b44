"""The flow of Metaflow as a DAG of Airflow and as a state machine, by Metaflow's own commands."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from settings import ROOT
from tests.flows.test_flows import without_ours
from tests.helpers.server import free_port

pytestmark = pytest.mark.prove


def test_the_same_file_becomes_a_dag_and_a_state_machine(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            ROOT / ".cache" / "exports" / "bin" / "python",
            Path(__file__).parent / "metaflow" / "exports.py",
        ],
        cwd=ROOT,
        env=without_ours(os.environ)
        | {
            "HOME": str(tmp_path),
            "METAFLOW_HOME": str(tmp_path),
            "MOTO_PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    exports = json.loads(done.stdout)
    assert exports["airflow"].pop("schedule") == "@weekly"
    for export in exports.values():
        assert export["attempts"] == {"start": 4, "predict": 4, "store": 4, "end": 1}
        assert export["mapped"] == ["predict"]
