"""What several test modules need: the bundled model, empty logs, a PostgreSQL server."""

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback import FeedbackLog
from model import Model
from tests.helpers.databases import Postgres, postgres, postgres_programs
from tests.helpers.databases import sqlite_log as new_sqlite_log

# As the app sets it: threads of torch that wait must not spin, which two workers would pay for.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


# Files that export, load, serve or predict much; `make test-fast` leaves them out.
SLOW = {
    "jobs/batch/test_runs.py",
    "jobs/replay/test_command.py",
    "model/test_attribution.py",
    "model/test_export.py",
    "model/test_generation.py",
    "model/test_parity.py",
    "pages",
    "serving/test_bad_input.py",
    "serving/test_kill.py",
    "serving/test_torture.py",
    "test_app.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a browser or a PostgreSQL server by what they ask for."""
    for item in items:
        name = item.path.relative_to(Path(__file__).parent)
        if {str(name), name.parts[0]} & SLOW:
            item.add_marker(pytest.mark.slow)
        asked = getattr(item, "fixturenames", ())
        if "browser" in asked:
            item.add_marker(pytest.mark.browser)
        if "postgres_server" in asked:
            item.add_marker(pytest.mark.postgres)


def pytest_collection_finish() -> None:
    """Spares the garbage collector what the imports made, as the app does: it never dies."""
    gc.freeze()


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    """The bundled model, loaded once."""
    loaded = Model("model/bundled", device="cpu")
    loaded.load()
    yield loaded
    loaded.close()


@pytest.fixture
def held(model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The model computes nothing until the event is set."""
    go_on, forward = threading.Event(), model.loaded.runtime.forward

    def wait(rows: object) -> object:
        go_on.wait(60)
        return forward(rows)  # type: ignore[arg-type]

    monkeypatch.setattr(model.loaded.runtime, "forward", wait)
    yield go_on
    go_on.set()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server of our own."""
    programs = postgres_programs()
    if programs is None:
        reason = "PostgreSQL's server programs are not installed"
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with postgres(programs) as server:
        yield server


@pytest.fixture(params=DATABASES)
def log_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty log, on each kind of server."""
    if request.param == "sqlite":
        yield new_sqlite_log(tmp_path / "feedback.db")
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    with server.database(template=Postgres.TEMPLATE) as url:
        yield url


@pytest.fixture(params=DATABASES)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, on each kind of server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'feedback.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    with server.database() as url:
        yield url


@pytest.fixture
def short_lock_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is opened from here on waits 0.1 s for another writer of its file, not 2."""
    monkeypatch.setattr("feedback.database.BUSY_TIMEOUT_S", 0.1)


@pytest.fixture
def log(log_url: str) -> Iterator[FeedbackLog]:
    opened = FeedbackLog(log_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_log(tmp_path: Path) -> Iterator[FeedbackLog]:
    opened = FeedbackLog(new_sqlite_log(tmp_path / "log.db"))
    yield opened
    opened.close()
