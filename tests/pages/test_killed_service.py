"""Pages whose model is in a service that is killed and started again on its port."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
import streamlit as st

from feedback import FeedbackLog, batches
from tests.helpers.app_test import click, html, only, open_page, plain, predict, thumbs, words
from tests.helpers.entries import history
from tests.helpers.service import KilledService, killed_service
from tests.helpers.until import until
from tests.pages.test_batch_page import finished, upload
from ui import shared

AWAY = "The model's service is away. The batch goes on when it is back."
ON_ITS_WAY_S = 0.3  # in which a request has surely left


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledService]:
    """A service that each test kills and leaves ready again: a start takes seconds."""
    with killed_service(tmp_path_factory.mktemp("killed") / "service.db") as started:
        yield started


@pytest.fixture
def service(
    killed: KilledService, database: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KilledService]:
    """The service, which has a log of its own and the model of the pages."""
    st.cache_resource.clear()
    monkeypatch.setenv("TRYOUT_MODEL__URL", killed.url)
    yield killed
    shared.batches().close()
    shared.loader().close()
    st.cache_resource.clear()


def test_a_page_that_waits_says_a_sentence_and_goes_on(
    service: KilledService, log: FeedbackLog
) -> None:
    page = thumbs(predict(open_page(), "I love this phone."), 1)
    model = shared.loaded()
    assert model is not None
    service.freeze()

    def kill_once_it_waits() -> None:
        until(lambda: model.queue_depth)
        sleep(ON_ITS_WAY_S)
        service.kill()

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_once_it_waits)
        predict(page, "I hate this phone.")
        killing.result()
    assert "cannot be reached" in plain(only(page.error).value)
    assert "positive" in html(page), "the former prediction stays open"
    thumbs(page, 0)
    service.start()
    assert "negative" in html(click(page, "Predict"))
    assert not page.error
    thumbs(page, 0)
    rated = [
        (entry.prediction.input, rating.verdict)
        for entry, rating in history(log, unrated=True)
        if rating
    ]
    assert rated == [
        ("I love this phone.", "up"),
        ("I love this phone.", "down"),
        ("I hate this phone.", "down"),
    ]
    assert (log.counts().predictions, service.stored()) == (2, 0)


@pytest.mark.parametrize(
    ("rows", "kills"), [(600, 1), pytest.param(2000, 8, marks=pytest.mark.prove)]
)
def test_a_batch_waits_and_ends_whole(
    service: KilledService,
    log: FeedbackLog,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    kills: int,
) -> None:
    monkeypatch.setattr("jobs.batch.runs.STORED_EVERY_ROWS", 20)
    texts = [f"number {n} is {'good' if n % 3 else 'bad'}" for n in range(rows)]
    page = upload(open_page("batch"), "text\n" + "\n".join(texts))
    click(page, f"Predict {rows:,} texts")
    batch, _ = _open_batch(log)
    run = shared.batches().current(batch.id)
    assert run is not None
    for number in range(1, kills + 1):
        until(lambda most=rows - rows * number // (kills + 1): run.left <= most)  # type: ignore[misc]
        assert run.left, "it ended before the kill"
        service.kill()
        until(lambda: run.model_is_away)
        page.run()
        assert AWAY in words(page)
        service.start()
    finished(page)
    assert f"All {rows:,} rows are predicted." in words(page)
    assert AWAY not in words(page)
    assert _predicted(log) == texts
    assert (log.counts().predictions, service.stored()) == (rows, 0)


def test_a_batch_that_waits_can_be_stopped_and_goes_on_later(
    service: KilledService, log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.batch.runs.STORED_EVERY_ROWS", 20)
    texts = [f"number {n} it is" for n in range(600)]
    page = upload(open_page("batch"), "text\n" + "\n".join(texts))
    click(page, "Predict 600 texts")
    batch, _ = _open_batch(log)
    run = shared.batches().current(batch.id)
    assert run is not None
    until(lambda: run.left < 600)
    service.kill()
    until(lambda: run.model_is_away)
    page.run()
    click(page, "Stop")
    finished(page)
    assert "Stopped: " in words(page)
    progress = batches.progress(log, batch)
    assert (progress.problems, progress.left > 0) == (0, True)
    ((_, first),) = batches.results(log, batch, order="unsure", label=None, offset=0, limit=1)
    thumbs(page, 1, first)
    service.start()
    click(page, "Go on")
    finished(page)
    assert _predicted(log) == texts
    assert log.counts().predictions == 600
    assert [rating.verdict for rating in log.ratings_of(first.prediction.id)] == ["up"]


def _open_batch(log: FeedbackLog) -> tuple[batches.Batch, str]:
    with log.database.connect() as connection:
        session = str(connection.exec_driver_sql("SELECT session_id FROM batches").scalar_one())
    (batch,) = batches.of_session(log, session, limit=1)
    return batch, session


def _predicted(log: FeedbackLog) -> list[str]:
    """The texts of the results of the batch, in the order of its file."""
    batch, _ = _open_batch(log)
    found = batches.results(log, batch, order="file", label=None, offset=0, limit=batch.rows + 1)
    return [entry.prediction.input for _, entry in found]
