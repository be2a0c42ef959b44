"""The state machine on this machine, by a local runner; first it is validated as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("deploy/flows/stepfunctions")
MODULES = Path(sys.executable).parents[1] / "node_modules"


def main() -> None:
    """Runs the state machine with each input; prints the runs by the events of the runner."""
    subprocess.run(
        [MODULES / ".bin" / "asl-validator", "--json-path", FOLDER / "flow.asl.json"],
        check=True,
        stdout=sys.stderr,
    )
    print(json.dumps([shown(parameters) for parameters in json.load(sys.stdin)]))


def shown(parameters: dict[str, Any]) -> dict[str, Any]:
    """An execution, by its output and by the events that the runner printed."""
    done = subprocess.run(
        ["node", FOLDER / "run_local.mjs", json.dumps(parameters | {"allow_rejects": 0})],
        env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
    )
    events = done.stderr.splitlines()
    assert done.returncode == 0 or "ExecutionFailed CannotRun" in events, done.stderr
    return {
        "succeeded": done.returncode == 0,
        "repeated": sum(event.startswith("StateRetried ") for event in events),
        "figures": json.loads(done.stdout) if done.returncode == 0 else {},
        "log": done.stderr,
    }


if __name__ == "__main__":
    main()
