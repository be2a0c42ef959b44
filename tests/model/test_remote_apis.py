"""Models behind other APIs than our own: against our service, which speaks them all."""

from pathlib import Path
from typing import Any

import pytest

from feedback import FeedbackLog
from model import GeneratedText, InputError, Model, ModelLoadError
from model.prediction import output_to_json
from model.remote import RemoteModel
from tests.helpers import tiny
from tests.helpers.scripted import Answer, answers, remote, scripted, sse
from tests.helpers.service import listening, service_of
from tests.helpers.tasks import TASKS, Task, close, served
from tests.helpers.until import until

TEXTS = ["I love this phone.", "Nobody answers.", "\ud800 lone", "NUL \x00 and emoji 😀"]


@pytest.fixture
def log(sqlite_log: FeedbackLog) -> FeedbackLog:
    return sqlite_log


def test_many_texts_get_the_labels_and_scores_of_the_model(model: Model, log: FeedbackLog) -> None:
    texts = TEXTS * 40
    with (
        listening(service_of(model, log, logs=False)) as url,
        remote(f"{url}/api/predict", api="huggingface", task="text-classification") as there,
    ):
        assert set(there.info.labels) == set(model.info.labels)
        for answer, expected in zip(there.predict(texts), model.predict(texts), strict=True):
            assert answer.input == expected.input
            assert answer.runtime == "remote"
            assert close(output_to_json(expected.output)) == output_to_json(answer.output)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("bulk", [False, True])
def test_each_task_gets_the_outputs_of_the_model(name: str, bulk: bool, tmp_path: Path) -> None:
    task = TASKS[name]
    with served(task, tmp_path) as (model, url):
        (expected,) = model.predict([task.text], task.params)
        arguments = {"api": "huggingface", "task": expected.task}
        with remote(f"{url}/models/model", **arguments) as there:
            prediction = there.submit(task.text, task.params, bulk=bulk).result(60)
            assert prediction.params == expected.params
            assert prediction.task == expected.task
            assert close(output_to_json(expected.output)) == output_to_json(prediction.output)
            third = there.predict([task.text] * 3, task.params)[2]
            assert close(output_to_json(expected.output)) == output_to_json(third.output)


def test_a_single_candidate_label_is_decided_by_itself(tmp_path: Path) -> None:
    params = {"candidate_labels": ["billing"]}
    with served(TASKS["zero-shot-classification"], tmp_path) as (model, url):
        (expected,) = model.predict(["They charged me twice."], params)
        arguments = {"api": "huggingface", "task": expected.task}
        with remote(f"{url}/api/predict", **arguments) as there:
            (prediction,) = there.predict(["They charged me twice."], params)
            assert close(output_to_json(expected.output)) == output_to_json(prediction.output)


def test_a_text_without_a_single_gap_fails_alone(tmp_path: Path) -> None:
    with served(Task(tiny.bert_masked, ""), tmp_path) as (_, url):
        address = f"{url}/api/predict"
        with remote(address, api="huggingface", task="fill-mask") as there:
            assert there.info.mask_token == "[MASK]"
            with pytest.raises(InputError, match=r"has \[MASK\] 2 times"):
                there.submit("[MASK] [MASK]").result(60)
            good, bad = there.submit_many(["a [MASK]", "none"])
            assert good.result(60).label
            with pytest.raises(InputError, match="0 times"):
                bad.result(60)


@pytest.mark.parametrize("address", ["", "/v1", "/v1/"])
def test_a_generator_answers_and_continues_as_in_this_process(
    address: str, tmp_path: Path, log: FeedbackLog
) -> None:
    writer = Model(str(tiny.llama(tmp_path / "writer", chat=True, max_tokens=512)), device="cpu")
    writer.load()
    arguments = {"api": "openai", "task": "text-generation"}
    with listening(service_of(writer, log)) as url, remote(url + address, **arguments) as there:
        assert there.info.id == "writer"
        assert there.generates
        for params in ({"max_new_tokens": 9}, {"max_new_tokens": 9, "chat": False}):
            (expected,) = writer.predict(["Once"], params)
            assert there.submit("Once", params).result(60).output == expected.output
            assert [made.output for made in there.predict(["Once"] * 20, params)] == [
                expected.output
            ] * 20
            growing = there.stream("Once", params, bulk=True)
            assert growing.future.result(60).output == expected.output
        conversation = (
            '[{"role": "user", "content": "Once"}, {"role": "assistant", "content": "a"}]'
        )
        params = {"max_new_tokens": 4, "messages": True}
        (expected,) = writer.predict([conversation], params)
        assert there.predict([conversation], params)[0].output == expected.output
        with pytest.raises(InputError, match="not a JSON list of messages"):
            there.submit("Once", params).result(60)
        assert there.predict(["Once"])[0].model_revision == there.info.revision
    writer.close()


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/api/predict", {"api": "huggingface", "task": "text-generation"}),
        ("", {"api": "openai", "task": "text-generation"}),
    ],
)
def test_a_text_grows_and_is_stopped(
    path: str, arguments: dict[str, Any], tmp_path: Path, log: FeedbackLog
) -> None:
    writer = Model(str(tiny.llama(tmp_path / "writer", max_tokens=4096)), device="cpu")
    writer.load()
    with listening(service_of(writer, log)) as url, remote(url + path, **arguments) as there:
        growing = there.stream("Once", {"max_new_tokens": 2000})
        until(lambda: not growing.wait(0.01) and growing.tokens)
        growing.stop()
        output = growing.future.result(60).output
        assert isinstance(output, GeneratedText)
        assert output.finish == "stopped"
        assert 0 < output.tokens < 2000
        until(lambda: writer.counters.done + writer.counters.cancelled >= 2)  # stopped there too
    writer.close()


@pytest.mark.parametrize(
    ("path", "arguments", "sentence"),
    [
        (
            "/api/predict",
            {"api": "huggingface", "task": "text-generation"},
            "leave out stream. .*model.task",
        ),
        ("/api/predict", {"api": "huggingface", "task": "fill-mask"}, "is 'fill-mask'"),
        (
            "/api/predict",
            {"api": "huggingface", "task": "sorting"},
            "task is 'sorting'; it must be",
        ),
        (
            "/nothing",
            {"api": "huggingface", "task": "text-classification"},
            "status 404: .*model.url",
        ),
        ("", {"api": "openai", "task": "text-generation"}, "completions need text-generation"),
        ("/nothing", {}, "status 404: .*Check model.url and model.api"),
    ],
)
def test_another_api_or_task_than_the_servers_is_a_sentence(
    model: Model, log: FeedbackLog, path: str, arguments: dict[str, Any], sentence: str
) -> None:
    expected = pytest.raises(ModelLoadError, match=rf"cannot be used\. .*{sentence}")
    with listening(service_of(model, log)) as url, expected:
        RemoteModel(url + path, **arguments).load()


@pytest.mark.parametrize("api", ["tryout", "huggingface"])
def test_a_lone_surrogate_in_a_parameter_is_replaced_on_the_way(api: str, tmp_path: Path) -> None:
    params = {"candidate_labels": ["billing \ud83d", "phone"]}
    with served(TASKS["zero-shot-classification"], tmp_path) as (model, url):
        (expected,) = model.predict(["They charged me twice."], params)
        others = {} if api == "tryout" else {"task": expected.task}
        address = url if api == "tryout" else f"{url}/api/predict"
        with remote(address, api=api, **others) as there:
            (prediction,) = there.predict(["They charged me twice."], params)
            scores = prediction.output.scores
        assert set(scores) == {"billing \N{REPLACEMENT CHARACTER}", "phone"}
        assert scores["phone"] == pytest.approx(expected.output.scores["phone"], abs=1e-4)


@pytest.mark.parametrize(
    ("api", "answer"),
    [
        (
            "openai",
            sse({"choices": [{"index": 0, "delta": {"content": "sky"}, "finish_reason": "stop"}]}),
        ),
        (
            "huggingface",
            sse({"token": {"text": "sky", "special": False}, "generated_text": "sky"}, done=False),
        ),
    ],
)
def test_generated_texts_share_a_connection(api: str, answer: Answer) -> None:
    with scripted() as server:
        answers(server, lambda body: answer)
        with remote(server.url, api=api, task="text-generation") as there:
            for _ in range(3):
                assert there.submit("the").result(60).output == GeneratedText("sky", 1, "end")
        assert len(server.asked) == 5, "facts, a trial, texts"
        assert server.connections == 1
