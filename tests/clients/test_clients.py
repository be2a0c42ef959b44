"""Clients that we did not write, against `make serve` and against the app's routes.

A folder here is a client: its packages, and a script that asks the service with them. The script
gets the URL and the model's name as arguments and texts as JSON on its standard input; where there
is gRPC, GRPC_ADDRESS in the environment is its host and port. It prints JSON: by each way in which
the client can ask, the label and the score of each text. It checks by itself what else the client
can do, and fails if that is wrong.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from model import Model
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.server import free_port, serving
from tests.helpers.service import serving_alone
from tests.helpers.until import until

FOLDERS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/requirements.txt"))
GENERATING = ["openai"]  # clients of models that generate
CLIENTS = [name for name in FOLDERS if name not in GENERATING]
ONLY_GRPC = ["grpc", "tensorflow-serving-api"]  # clients that speak nothing else: not with the app
TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]

pytestmark = pytest.mark.deploy


class Served(NamedTuple):
    """The addresses of a model; that of gRPC is empty where there is none."""

    url: str
    grpc: str


@contextmanager
def served(kind: str, database: Path, **environment: Any) -> Iterator[Served]:
    """The addresses of a model, alone or beside the pages."""
    environment["TRYOUT_MODEL__DTYPE"] = "float32"  # as the model here; "auto" goes by its speed
    if kind == "alone":
        port = free_port()
        with serving_alone(database, grpc_port=port, **environment) as (url, _):
            yield Served(url, f"127.0.0.1:{port}")
    else:
        with serving(database, port=free_port(), **environment) as url:
            until(lambda: httpx2.get(f"{url}/api/ready").status_code == 200)
            yield Served(url, "")


@pytest.fixture(scope="module")
def bundled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The addresses of the bundled model, alone or beside the pages."""
    with served(request.param, tmp_path_factory.mktemp("clients") / "log.db") as addresses:
        yield addresses


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """A model that generates, with a chat template."""
    folder = tiny.llama(tmp_path_factory.mktemp("writer") / "writer", chat=True, max_tokens=256)
    model = Model(str(folder), device="cpu")
    model.load()
    yield model
    model.close()


def answers_of(client: str, addresses: Served, name: str, texts: Sequence[str]) -> dict[str, Any]:
    """The answers that the client prints, by each way in which it asks."""
    done = subprocess.run(
        [
            ROOT / ".cache" / "clients" / client / "bin" / "python",
            Path(__file__).parent / client / "client.py",
            addresses.url,
            name,
        ],
        env=os.environ | ({"GRPC_ADDRESS": addresses.grpc} if addresses.grpc else {}),
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    assert answers
    return answers


@pytest.mark.parametrize(
    ("bundled", "client"),
    [("alone", client) for client in CLIENTS]
    + [("app", client) for client in CLIENTS if client not in ONLY_GRPC],
    indirect=["bundled"],
    scope="module",  # a service for all clients
)
def test_a_client_gets_the_predictions_of_the_model(
    client: str, bundled: Served, model: Model
) -> None:
    answers = answers_of(client, bundled, "bundled", TEXTS)
    expected = [
        {"label": made.label, "score": pytest.approx(made.score, abs=1e-4)}
        for made in model.predict(TEXTS)
    ]
    assert answers == dict.fromkeys(answers, expected)


def test_the_example_of_tritonclient_in_the_guide_works(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    (code,) = (
        code
        for code in re.findall(r"^```python\n(.*?)^```", guide, re.M | re.S)
        if "tritonclient" in code
    )
    with served("alone", tmp_path / "log.db") as addresses:
        done = subprocess.run(
            [
                ROOT / ".cache" / "clients" / "tritonclient" / "bin" / "python",
                "-c",
                code.replace("127.0.0.1:9000", addresses.grpc),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "b'positive' b'negative'" in done.stdout, done.stderr


@pytest.mark.parametrize("kind", ["alone", "app"])
@pytest.mark.parametrize("client", GENERATING)
def test_a_client_gets_the_texts_that_the_model_generates(
    client: str, kind: str, writer: Model, tmp_path: Path
) -> None:
    with served(kind, tmp_path / "log.db", TRYOUT_MODEL__ID=writer.model_id) as addresses:
        answers = answers_of(client, addresses, "writer", TEXTS)
    expected = {
        way: [
            made.output.text  # type: ignore[union-attr]
            for made in writer.predict(
                TEXTS, {"max_new_tokens": 24, "chat": way.startswith("chat")}
            )
        ]
        for way in answers
    }
    assert answers == expected
