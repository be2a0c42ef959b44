"""The OpenAPI document, by schemathesis: requests that it allows and that it forbids."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette
from starlette.testclient import TestClient

from feedback import FeedbackLog
from model import Model, Predictor
from serving.access import Access
from serving.app import routes
from serving.http import JSON
from serving.service import Service
from tests.helpers.databases import sqlite_log as new_sqlite_log

EXAMPLES = 25
LONG_S = 60.0
# Of paths; a name that is drawn by chance is that of no model.
NAMES = {"name": "bundled", "id": "bundled"}
BINARY = "application/octet-stream"  # no schema can say that lengths must be right
# 413: too many texts; 422: the form is right, and the model does not take a text or a parameter.
ACCEPTED = ["2xx", "401", "403", "404", "413", "422", "429", "503"]
CONFIG = schemathesis.Config.from_dict(
    {"checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}}}
)


@pytest.fixture(scope="module")
def app(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    future: Future[Predictor] = Future()
    future.set_result(model)
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("openapi") / "log.db"))
    service = Service(lambda: future, lambda: log)
    yield Starlette(routes=routes(service, lambda: 0, access=Access()))
    service.close()
    log.close()


def is_short(timeout_s: object) -> bool:
    return isinstance(timeout_s, int | float) and 0 < timeout_s < LONG_S


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_operations_answer_as_the_document_says(
    app: Starlette, model: Model, mode: GenerationMode
) -> None:
    revision = model.info.revision
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, config=CONFIG)
    operations: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) >= 15
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,  # the same requests each time; another EXAMPLES gives others
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers_as_it_says(case: Any) -> None:
            # A body that is neither JSON nor bytes is a text, whatever it was before it was sent.
            assume(mode is GenerationMode.POSITIVE or case.media_type in (None, JSON, BINARY))
            if mode is GenerationMode.POSITIVE:
                named = NAMES | {"version": revision}
                case.path_parameters |= {
                    name: named.get(name, value) for name, value in case.path_parameters.items()
                }
            if isinstance(case.body, dict) and is_short(case.body.get("timeout_s")):
                case.body["timeout_s"] = LONG_S  # else a text may wait for too long: 504
            wrong = [positive_data_acceptance] if case.media_type == BINARY else []
            case.call_and_validate(excluded_checks=wrong)

        with suppress(Unsatisfiable):  # an operation may have nothing that could be wrong
            answers_as_it_says()


def test_the_page_shows_all_operations_and_needs_no_other_host(app: Starlette) -> None:
    client = TestClient(app)
    document = client.get("/api/openapi.json").json()
    page = client.get("/api/docs").text
    for path in document["paths"]:
        assert path in page
    assert "//" not in page.replace("https://spec", "")
