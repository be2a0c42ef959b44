"""Clients that we did not write, against `make serve` and against the app's routes.

A folder here is a client: its packages, and a script that asks the service with them. The script
gets the URL and the model's name as arguments and texts as JSON on its standard input. It prints
JSON: by each way in which the client can ask, the label and the score of each text. It checks by
itself what else the client can do, and fails if that is wrong.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from model import Model
from settings import ROOT
from tests.helpers.server import free_port, serving
from tests.helpers.service import serving_alone
from tests.helpers.until import until

CLIENTS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/requirements.txt"))
TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]

pytestmark = pytest.mark.deploy


@pytest.fixture(scope="module", params=["alone", "app"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the bundled model, alone and beside the pages."""
    database = tmp_path_factory.mktemp("clients") / "log.db"
    if request.param == "alone":
        with serving_alone(database) as (address, _):
            yield address
    else:
        with serving(database, port=free_port()) as address:
            until(lambda: httpx2.get(f"{address}/api/ready").status_code == 200)
            yield address


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_gets_the_predictions_of_the_model(client: str, url: str, model: Model) -> None:
    done = subprocess.run(
        [
            ROOT / ".cache" / "clients" / client / "bin" / "python",
            Path(__file__).parent / client / "client.py",
            url,
            "bundled",
        ],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers
    expected = [
        {"label": made.label, "score": pytest.approx(made.score, abs=1e-4)}
        for made in model.predict(TEXTS)
    ]
    assert answers == dict.fromkeys(answers, expected)
