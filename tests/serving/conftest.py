"""A service of the bundled model, and a client of it, for the tests of several formats."""

from collections.abc import Iterator

import httpx2
import pytest

from feedback import FeedbackLog
from model import Model
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of

MAX_TEXTS = 20


@pytest.fixture(scope="module")
def service_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeedbackLog]:
    """The log of the service of `client`."""
    opened = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("service") / "log.db"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(
    model: Model, service_log: FeedbackLog, request: pytest.FixtureRequest
) -> Iterator[httpx2.Client]:
    """A client of the bundled model; a module may set MAX_CHARS, the limit of a text."""
    max_chars = getattr(request.module, "MAX_CHARS", 500)
    service = service_of(model, service_log, max_chars=max_chars, max_texts=MAX_TEXTS)
    with listening(service) as url, httpx2.Client(base_url=url, timeout=60) as opened:
        yield opened


@pytest.fixture
def log_client(sqlite_log: FeedbackLog) -> Iterator[httpx2.Client]:
    """A client of a service whose log a test has for itself."""
    fake = FakePredictor()
    fake.load()
    with listening(service_of(fake, sqlite_log)) as url, httpx2.Client(base_url=url) as opened:
        yield opened
