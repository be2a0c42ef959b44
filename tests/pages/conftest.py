"""Pages run as sessions run them: the real model, and a log of each test's own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import streamlit as st

from feedback import FeedbackLog
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.predictor import FakePredictor
from tests.helpers.service import listening, service_of
from ui import shared


@pytest.fixture(scope="module", autouse=True)
def loaded_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The model is loaded once for a module; tests clear the other singletons only.

    With the parameter "remote" it is behind a URL.
    """
    st.cache_resource.clear()
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        if getattr(request, "param", "") == "remote":
            log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("remote") / "log.db"))
            stack.callback(log.close)
            service = service_of(request.getfixturevalue("model"), log)
            patch.setenv("TRYOUT_MODEL__URL", stack.enter_context(listening(service)))
        yield
        shared.loader().close()
    st.cache_resource.clear()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The model is one without weights, of the revision 7."""
    monkeypatch.setattr("ui.shared._model", lambda: FakePredictor(revision="7"))
    shared.loader.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a log that is not there yet."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    path = tmp_path / "log.db"
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", str(path))
    monkeypatch.setattr("ui.visits._cookie", lambda: "")  # AppTest has no browser to keep one
    for cached in (shared.settings, shared.log, shared.batches, shared.assignments):
        cached.clear()
    return path


@pytest.fixture
def log(database: Path) -> FeedbackLog:
    new_sqlite_log(database)
    return shared.log()
