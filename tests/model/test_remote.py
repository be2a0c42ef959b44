"""A model behind a URL: refusals, outages, keys, streams, revisions, long work across a kill."""

import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from feedback import FeedbackLog, batches
from feedback.batches import BatchRow
from feedback.rated_set import rated
from jobs.batch.runs import BatchRuns
from jobs.replay.run import replay
from model import (
    GeneratedText,
    InputError,
    Model,
    ModelBusy,
    ModelClosed,
    ModelError,
    ModelLoadError,
    ModelTimedOut,
    ModelUnreachable,
    Param,
)
from model.remote import RemoteModel
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.batches import batch_of
from tests.helpers.entries import entry, labels, rating
from tests.helpers.predictor import FakePredictor
from tests.helpers.scripted import Answer, remote, scripted
from tests.helpers.server import free_port
from tests.helpers.service import listening, service_of, serving_alone
from tests.helpers.until import until

TEXT = "I love this phone."


@pytest.fixture
def log(sqlite_log: FeedbackLog) -> FeedbackLog:
    return sqlite_log


def facts_of_a_service(log: FeedbackLog) -> Any:
    """GET /api/model, as a service of the fake answers it."""
    fake = FakePredictor()
    fake.load()
    with listening(service_of(fake, log)) as url:
        return httpx2.get(f"{url}/api/model").json()


def test_predictions_are_those_of_the_model_and_not_stored_twice(
    model: Model, log: FeedbackLog
) -> None:
    texts = [TEXT, "Nobody answers.", "\ud800 lone", "NUL \x00 and emoji 😀"] * 40
    with listening(service_of(model, log)) as url, remote(url) as behind_url:
        answers = behind_url.predict(texts)
        for answer, expected in zip(answers, model.predict(texts), strict=True):
            assert answer.input == expected.input
            assert answer.label == expected.label
            assert answer.score == pytest.approx(expected.score, abs=1e-4)
            assert answer.runtime == "remote"
            assert answer.model_revision == model.info.revision
    assert log.counts().predictions == 0, "who asks stores them"


def test_texts_one_after_another_go_over_one_connection(log: FeedbackLog) -> None:
    fake = FakePredictor()
    fake.load()

    def ports(port: int) -> set[int]:
        """The client's ends of the connections to `port`, which is in this process too."""
        connections = psutil.Process().net_connections("tcp")
        return {each.laddr.port for each in connections if each.raddr and each.raddr.port == port}

    with listening(service_of(fake, log)) as url, remote(url) as behind_url:
        port = int(url.rpartition(":")[2])
        opened = ports(port)
        for number in range(5):
            behind_url.submit(f"{TEXT} {number}").result(60)
            assert ports(port) == opened
        assert len(opened) == 1


@pytest.mark.parametrize(
    ("path", "arguments"),
    [("", {}), ("/api/predict", {"api": "huggingface", "task": "text-classification"})],
)
def test_neither_torch_nor_streamlit_is_needed(
    model: Model, log: FeedbackLog, path: str, arguments: dict[str, str]
) -> None:
    code = (
        "import sys\nfrom model import make_predictor\n"
        f"m = make_predictor(url=sys.argv[1], **{arguments!r}); m.load()\n"
        "print(m.predict(['I love this phone.'])[0].label); m.close()\n"
        "print({'torch', 'transformers', 'onnxruntime', 'streamlit'} & set(sys.modules))"
    )
    with listening(service_of(model, log)) as url:
        done = subprocess.run(
            [sys.executable, "-c", code, url + path],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
    assert done.stdout.split("\n")[:2] == ["positive", "set()"]


def test_what_the_service_refuses_is_its_sentence(model: Model, log: FeedbackLog) -> None:
    service = service_of(model, log, max_chars=10)
    with listening(service) as url, remote(url) as behind_url:
        for future in (
            behind_url.submit("a longer text"),
            behind_url.submit("a longer text", bulk=True),
            behind_url.submit_many(["short", "a longer text"])[1],
        ):
            with pytest.raises(InputError, match="13 characters and the limit is 10"):
                future.result(60)


def test_the_owners_defaults_are_those_of_the_form(tmp_path: Path, log: FeedbackLog) -> None:
    model = Model(str(tiny.bert_masked(tmp_path / "masked")), device="cpu")
    model.load()
    with listening(service_of(model, log)) as url:
        with remote(url, params={"top_k": 2}) as behind_url:
            assert {param.name: param.default for param in behind_url.info.params} == {"top_k": 2}
            assert len(behind_url.predict(["a [MASK]"])[0].output.scores) == 2
        with pytest.raises(ModelLoadError, match=r"cannot be used\. .*top_k"):
            RemoteModel(url, params={"top_k": 2000}).load()
    model.close()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "sentence"),
    [
        (400, {}, InputError, "as it was said"),
        (422, {}, InputError, "as it was said"),
        (401, {}, ModelError, "refuses the key: as it was said. Set TRYOUT_MODEL__TOKEN"),
        (500, {}, ModelError, "answered with status 500: as it was said"),
        (504, {"Retry-After": "7"}, ModelTimedOut, "as it was said"),
        (502, {}, ModelUnreachable, "its proxy gets no answer"),
        (307, {"Location": "http://127.0.0.1:1/"}, ModelError, "redirects elsewhere"),
    ],
)
def test_an_error_keeps_its_kind_and_sentence(
    log: FeedbackLog, status: int, headers: dict[str, str], kind: type[ModelError], sentence: str
) -> None:
    facts = facts_of_a_service(log)
    with scripted() as server:
        server.answer = lambda path: (
            (200, {}, facts)
            if path == "/api/model"
            else (status, headers, {"error": "as it was said"})
        )
        with remote(server.url, token="secret") as behind_url:
            with pytest.raises(kind, match=sentence.replace("(", r"\(")) as raised:
                behind_url.submit(TEXT).result(60)
            assert type(raised.value) is kind
            if isinstance(raised.value, ModelBusy):
                assert raised.value.wait_s == 7
        asked = [path for path, _ in server.asked]
        assert asked.count("/api/predictions") == 1
        assert {headers["authorization"] for _, headers in server.asked} == {"Bearer secret"}


@pytest.mark.parametrize(("status", "kind"), [(429, ModelBusy), (503, ModelUnreachable)])
def test_what_did_not_run_is_asked_again(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[ModelError]
) -> None:
    monkeypatch.setattr("model.remote.connection.BACKOFF_S", (0.01, 0.01))
    facts = facts_of_a_service(log)
    with scripted() as server:
        server.answer = lambda path: (
            (200, {}, facts) if path == "/api/model" else (status, {}, {"error": "later"})
        )
        with remote(server.url) as behind_url, pytest.raises(kind, match="later"):
            behind_url.submit(TEXT).result(60)
        assert len(server.asked) == 1 + 3


def test_an_answer_that_is_lost_is_not_asked_again(log: FeedbackLog) -> None:
    facts = facts_of_a_service(log)
    with scripted() as server:

        def answer(path: str) -> Answer:
            if path == "/api/model":
                return 200, {}, facts
            raise ConnectionAbortedError  # the connection is closed without an answer

        server.answer = answer
        with (
            remote(server.url) as behind_url,
            pytest.raises(ModelUnreachable, match="cannot be reached") as raised,
        ):
            behind_url.submit(TEXT).result(60)
        assert raised.value.may_have_run
        assert len(server.asked) == 1 + 1


STRANGE = [{}, [], "x", {"predictions": [{}]}, {"predictions": []}, {"predictions": [{"id": 5}]}]


@pytest.mark.parametrize("value", STRANGE)
def test_an_answer_of_something_else_is_said(log: FeedbackLog, value: Any) -> None:
    with scripted() as server:
        server.answer = lambda path: (200, {}, value)
        with pytest.raises(ModelLoadError, match=r"cannot be used\. .* is not understood"):
            RemoteModel(server.url).load()
        facts = facts_of_a_service(log)
        server.answer = lambda path: (200, {}, facts if path == "/api/model" else value)
        with remote(server.url) as behind_url:
            with pytest.raises(ModelError, match="is not understood"):
                behind_url.submit(TEXT, bulk=True).result(60)
            with pytest.raises(ModelError, match="cannot be reached"):  # no stream of events
                behind_url.submit(TEXT).result(60)


def test_nobody_there_is_a_sentence_and_the_circuit_opens_and_closes(
    model: Model, log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.remote.connection.BACKOFF_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr("model.remote.connection.TRIES_AGAIN_S", 0.3)
    with pytest.raises(ModelLoadError, match=r"'http://127.0.0.1:1' cannot be used"):
        RemoteModel("http://127.0.0.1:1").load()
    port = free_port()
    with listening(service_of(model, log), port=port) as url:
        behind_url = RemoteModel(url)
        behind_url.load()
        assert behind_url.submit(TEXT).result(60).label == "positive"
    for _ in range(3):
        with pytest.raises(ModelUnreachable, match="cannot be reached"):
            behind_url.submit(TEXT).result(60)
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        behind_url.submit(TEXT)  # at once: the circuit is open
    with listening(service_of(model, log), port=port):
        time.sleep(0.3)  # until a trial is due
        assert behind_url.submit(TEXT).result(60).label == "positive"
        assert behind_url.submit(TEXT).result(60).label == "positive"
    behind_url.close()


def test_a_cancelled_text_is_withdrawn(
    model: Model, log: FeedbackLog, held: threading.Event
) -> None:
    with listening(service_of(model, log)) as url, remote(url) as behind_url:
        model.submit("the first")
        until(lambda: model.queue_depth == 0)
        before = model.counters.cancelled
        future = behind_url.submit(TEXT)
        until(lambda: behind_url.place(future) is not None)
        assert behind_url.queue_depth == 1
        future.cancel()
        with pytest.raises(CancelledError):
            future.result(60)
        held.set()
        until(lambda: model.counters.cancelled == before + 1)
        assert behind_url.place(future) is None
        assert behind_url.queue_depth == 0


def test_a_text_grows_and_is_stopped(tmp_path: Path, log: FeedbackLog) -> None:
    writer = Model(str(tiny.llama(tmp_path / "writer", chat=True, max_tokens=4096)), device="cpu")
    writer.load()
    with listening(service_of(writer, log)) as url, remote(url) as behind_url:
        whole = behind_url.stream("Once", {"max_new_tokens": 8})
        while not whole.wait(0.05):
            pass
        output = whole.future.result().output
        assert output == behind_url.submit("Once", {"max_new_tokens": 8}).result(60).output
        assert output == writer.predict(["Once"], {"max_new_tokens": 8})[0].output
        growing = behind_url.stream("Once", {"max_new_tokens": 2000})
        until(lambda: not growing.wait(0.01) and growing.tokens > 3)
        growing.stop()
        output = growing.future.result(60).output
        assert isinstance(output, GeneratedText)
        assert output.finish == "stopped"
        assert 3 < output.tokens < 2000
        assert output.text == growing.text
        until(lambda: writer.counters.done + writer.counters.cancelled >= 3)  # stopped there too
        assert behind_url.predict(["Once"], {"max_new_tokens": 3})[0].output.is_whole
    writer.close()


def test_another_revision_is_noticed(log: FeedbackLog) -> None:
    old, new = FakePredictor(revision="1"), FakePredictor(revision="2")
    for fake in (old, new):
        fake.load()
    port = free_port()
    with listening(service_of(old, log), port=port) as url:
        behind_url = RemoteModel(url)
        behind_url.load()
        assert behind_url.info.revision == "1"
    with listening(service_of(new, log), port=port):
        until(lambda: _revision_of_an_answer(behind_url) == "2")
        until(lambda: behind_url.info.revision == "2")
    behind_url.close()


@pytest.mark.parametrize("bulk", [False, True])
def test_a_model_with_other_parameters_is_noticed_by_its_refusal(
    log: FeedbackLog, bulk: bool
) -> None:
    param = Param(name="top_k", title="Labels", default=2, minimum=1, maximum=5)
    old, new = FakePredictor(revision="1", params=[param]), FakePredictor(revision="2")
    for fake in (old, new):
        fake.load()
    port = free_port()
    with listening(service_of(old, log), port=port) as url:
        behind_url = RemoteModel(url)
        behind_url.load()
        assert behind_url.submit(TEXT, bulk=bulk).result(60).params == {"top_k": 2}
    with listening(service_of(new, log), port=port):
        refusals = (_refusal(behind_url, bulk=bulk) for _ in range(100))
        assert next(filter(None, refusals)) == f"The model at {url} is another now. Try again."
        answer = behind_url.submit(TEXT, bulk=bulk).result(60)
        assert (answer.model_revision, answer.params) == ("2", {})
        assert behind_url.info.params == ()
    behind_url.close()


def _refusal(behind_url: RemoteModel, *, bulk: bool) -> str:
    """The sentence of a refusal; "" while the connection is still that to the old service."""
    try:
        behind_url.submit(TEXT, bulk=bulk).result(60)
    except InputError as error:
        return str(error)
    except ModelUnreachable:
        time.sleep(0.05)
    return ""


def _revision_of_an_answer(behind_url: RemoteModel) -> str:
    try:
        return behind_url.submit(TEXT).result(60).model_revision
    except ModelUnreachable:
        return ""


def test_a_batch_goes_on_after_its_service_was_killed(
    tmp_path: Path, log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [BatchRow(n, (str(n), f"{TEXT} {n}")) for n in range(600)]
    batch = batch_of(log, rows, params={})
    runs, port = BatchRuns(lambda: log), free_port()
    monkeypatch.setattr("model.bulk.AWAY_S", 0.1)
    with serving_alone(tmp_path / "service.db", port=port) as (url, process):
        behind_url = RemoteModel(url)
        behind_url.load()
        runs.start(batch, behind_url, left=len(rows))
        until(lambda: batches.progress(log, batch).predicted > 0)
        process.kill()
        process.wait()
        assert batches.progress(log, batch).predicted < len(rows)
    with serving_alone(tmp_path / "service.db", port=port):
        until(lambda: runs.current(batch.id) is None)
    progress = batches.progress(log, batch)
    assert (progress.predicted, progress.left) == (len(rows), 0)
    assert batches.problems(log, batch) == []
    assert log.counts().predictions == len(rows), "none is stored twice"
    runs.close()
    behind_url.close()


def test_a_replay_goes_on_after_its_service_was_away(
    model: Model, log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.bulk.AWAY_S", 0.05)
    for number in range(300):
        stored = entry(f"{TEXT} {number}", output=labels(("negative", 0.9), ("positive", 0.1)))
        log.record(stored)
        log.rate(rating(stored, verdict="down", correction="positive"))
    port = free_port()
    with listening(service_of(model, log), port=port) as url:
        behind_url = RemoteModel(url)
        behind_url.load()
        results = replay(behind_url, rated(log), left_out=Counter())
        outcomes = [next(results).outcome]
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(lambda: [result.outcome for result in results])
        until(lambda: behind_url.counters.failed > 0)
        with listening(service_of(model, log), port=port):
            outcomes += rest.result(120)
    behind_url.close()
    assert Counter(outcomes) == {"fixed": 300}


def test_bulk_texts_that_are_all_cancelled_are_withdrawn(
    model: Model, log: FeedbackLog, held: threading.Event
) -> None:
    with listening(service_of(model, log)) as url, remote(url) as behind_url:
        model.submit("the first")
        until(lambda: model.queue_depth == 0)
        before = model.counters.cancelled
        futures = [behind_url.submit(f"{TEXT} {i}", bulk=True) for i in range(10)]
        until(lambda: model.queue_depth == 10)
        for future in futures:
            future.cancel()
        held.set()
        until(lambda: model.counters.cancelled == before + 10)


def test_more_texts_than_a_queue_has_room_for(log: FeedbackLog) -> None:
    fake = FakePredictor()
    fake.load()
    texts = [f"a good day {i}" for i in range(5000)]
    with listening(service_of(fake, log)) as url, remote(url) as behind_url:
        assert [made.input for made in behind_url.predict(texts)] == texts


def test_something_unexpected_leaves_no_future_open(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePredictor()
    fake.load()
    with listening(service_of(fake, log)) as url, remote(url) as behind_url:

        def broken(*args: object) -> object:
            raise RuntimeError("another caller's text")

        monkeypatch.setattr(behind_url._api, "stream", broken)
        monkeypatch.setattr(behind_url._api, "predict", broken)
        for future in (behind_url.submit(TEXT), behind_url.submit(TEXT, bulk=True)):
            with pytest.raises(ModelError, match=r"failed \(RuntimeError\); its owner"):
                future.result(60)


def test_a_url_that_is_none_is_a_sentence() -> None:
    with pytest.raises(ModelLoadError, match="is not a URL"):
        RemoteModel("http://host:port").load()


def test_its_weights_take_no_memory_here(log: FeedbackLog, model: Model) -> None:
    assert model.info.memory_bytes > 0
    with listening(service_of(model, log)) as url:
        there = RemoteModel(url)
        there.load()
        assert there.info.memory_bytes == 0
        there.close()


def test_a_text_that_is_sent_while_it_closes_is_told_so(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = FakePredictor()
    served.load()
    with listening(service_of(served, log)) as url:
        there = RemoteModel(url)
        there.load()
        # After the look whether it is closed, before the text is on its way.
        monkeypatch.setattr(there._connection.circuit, "require_closed", there.close)
        with pytest.raises(ModelClosed):
            there.submit(TEXT)


def test_a_question_about_the_limit_ends_when_it_is_closed(
    log: FeedbackLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, asked, go_on = FakePredictor(), threading.Event(), threading.Event()
    served.load()

    def waiting(*_: Any) -> bool:
        asked.set()
        return go_on.wait(60)

    monkeypatch.setattr(served, "reads_all", waiting)
    with listening(service_of(served, log)) as url, ThreadPoolExecutor(1) as pool:
        there = RemoteModel(url)
        there.load()
        answer = pool.submit(there.reads_all, TEXT)
        until(asked.is_set)
        there.retire()
        try:
            assert isinstance(answer.exception(60), ModelClosed)
        finally:
            go_on.set()
