"""Code to copy: each snippet is run against a real service, and gets what the model says."""

import ast
import io
import json
import subprocess
import sys
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from feedback import FeedbackLog
from feedback.filters import Filter
from model import GeneratedText, Model, ModelInfo, Prediction, ScoredLabels, Spans
from model.prediction import TASK_NAMES, output_to_json
from serving.access import new_key
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.service import listening, service_of
from tests.helpers.tasks import TASKS, Task, close
from tests.helpers.until import until
from ui.parts.snippets import (
    FORMATS,
    Call,
    Format,
    address_of,
    call_of,
    formats_for,
)

NAME = "a name, 100%?"
MESSAGES = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": 'Say "hi".'}]


def chat_llama(folder: Path) -> Path:
    return tiny.llama(folder, chat=True)


CASES = TASKS | {
    "sampled": Task(tiny.gpt2, "Once", {"max_new_tokens": 12, "temperature": 0.9, "seed": 7}),
    "chat": Task(chat_llama, "Why?\n", {"max_new_tokens": 9}),
    "conversation": Task(chat_llama, json.dumps(MESSAGES), {"messages": True, "max_new_tokens": 5}),
    "no chat": Task(chat_llama, "Once upon", {"chat": False, "max_new_tokens": 9}),
}
GENERATING = ("text-generation", "sampled", "chat", "conversation", "no chat")
HOSTILE = (
    "'",
    '"',
    "\\",
    "'\"'\"'; touch hacked; '",
    "$(touch hacked) `touch hacked` ${IFS} !! #",
    "' + open('hacked', 'w').name + '",
    '""" + open("hacked", "w").name + """',
    "{open('hacked', 'w').name} %s {} {{}}",
    "@/etc/passwd",
    "-o hacked",
    "\nJSON\ntouch hacked\nJSON\n",
    "a\x00b\x07\x1b[2K\x7f\x85",
    "\u202eright to left\u2066 \u2028 \u00a0 \ufeff",
    "🧑\u200d🚀 \U000e0041 é ß 漢字 \\ud83d",
    "a lone \ud83d surrogate",
)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], tuple[Model, str]]]:
    """The model of a case and the URL of its service, made when it is asked for."""
    folder, made = tmp_path_factory.mktemp("served"), dict[str, tuple[Model, str]]()
    with ExitStack() as stack:

        def serve(name: str) -> tuple[Model, str]:
            if name not in made:
                model = Model(str(CASES[name].make(folder / name)), device="cpu")
                model.load()
                stack.callback(model.close)
                log = FeedbackLog(new_sqlite_log(folder / f"{name}.db"))
                stack.callback(log.close)
                service = service_of(model, log, name=NAME)
                made[name] = (model, stack.enter_context(listening(service)))
            return made[name]

        yield serve


def call(
    info: ModelInfo,
    text: str,
    params: Mapping[str, Any] = {},
    *,
    address: str,
    name: str = "",
    needs_key: bool = False,
) -> Call:
    return call_of(info, text, params, address=address, name=name, needs_key=needs_key)


def curl(code: str, folder: Path) -> Any:
    """The answer to the code, run in a shell that makes its files in `folder`."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=code.encode(),
        capture_output=True,
        cwd=folder,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def python(code: str) -> str:
    """The text that the code prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "snippet.py", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


def output_of(answer: Any, wire: str) -> Any:
    """The output in the answer of a format, as the native format has it."""
    match wire:
        case "Tryout" | "Vertex AI, TF Serving, KServe v1":
            return answer["predictions"][0]["output"]
        case "Open Inference v2":
            tensors = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
            return json.loads(tensors["output"][0])
        case "AWS SageMaker" | "Azure ML":
            return answer[0]["output"]
        case "GraphQL":
            return answer["data"]["predict"][0]["output"]
        case "OpenAI":
            choice = answer["choices"][0]
            return {"text": choice["message"]["content"] if "message" in choice else choice["text"]}
        case "Hugging Face":
            return _of_huggingface(answer)
    raise AssertionError(f"there is no reader for {wire}")


def _of_huggingface(answer: Any) -> Any:
    items = answer[0] if isinstance(answer[0], list) else answer
    if "generated_text" in items[0]:
        return {"text": items[0]["generated_text"]}
    if "entity_group" in items[0]:
        return {"spans": [{**each, "label": each["entity_group"]} for each in items]}
    return [{"label": each.get("label", each.get("token_str")), **each} for each in items]


def essence(output: Any) -> Any:
    """That in which all formats agree: a text, or labels and scores, or places of spans."""
    if "text" in output:
        return output["text"]
    if "spans" in output:
        return [[each[name] for name in ("label", "score", "start")] for each in output["spans"]]
    items = output if isinstance(output, list) else output["labels"]
    return [[item["label"], item["score"]] for item in items]


def check_printed(printed: str, prediction: Prediction, wire: str) -> None:
    """The lines are those of the prediction, in the format's own way."""
    match prediction.output:
        case GeneratedText(text):
            assert printed == f"{text}\n"
        case Spans(items) if wire == "Hugging Face":
            words = [prediction.input[span.start : span.end] for span in items]
            expected = zip(items, words, strict=True)
            assert [line.rpartition(" ")[0] for line in printed.splitlines()] == [
                f"{span.label} {word}" for span, word in expected
            ]
        case Spans():
            spans = [ast.literal_eval(line) for line in printed.splitlines()]
            assert spans == close(output_to_json(prediction.output)["spans"])
        case ScoredLabels(items):
            lines = [line.rpartition(" ") for line in printed.splitlines()]
            if wire == "Hugging Face":
                assert [label for label, _, _ in lines] == [item.label for item in items]
            else:
                assert [label for label, _, _ in lines] == [prediction.label]
            assert float(lines[0][2]) == pytest.approx(items[0].score, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        pytest.param(name, wire, id=f"{name}-{wire.name}")
        for name in CASES
        for wire in FORMATS
        if wire.name != "OpenAI" or name in GENERATING
    ],
)
def test_the_code_gets_the_models_own_prediction(
    served: Callable[[str], tuple[Model, str]], tmp_path: Path, name: str, wire: Format
) -> None:
    model, url = served(name)
    case = CASES[name]
    (expected,) = model.predict([case.text], case.params)
    snippet = wire.snippet(call(model.info, case.text, expected.params, address=url, name=NAME))
    answer = curl(snippet.curl, tmp_path)
    whole = output_to_json(expected.output)
    assert essence(output_of(answer, wire.name)) == close(essence(whole))
    check_printed(python(snippet.python), expected, wire.name)


@pytest.fixture(scope="module")
def sentiment(
    model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, FeedbackLog]]:
    """The URL of a service of the bundled model that takes a key, and its log."""
    key, entry = new_key("a program", ["predict"])
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("sentiment") / "log.db"))
    service = service_of(model, log, max_chars=100_000)
    with pytest.MonkeyPatch.context() as patch, listening(service, keys=[entry]) as url:
        patch.setenv("TRYOUT_KEY", key)
        yield url, log
    log.close()


def count(log: FeedbackLog, text: str) -> int:
    """The predictions of the log with exactly this text."""
    rows = log.page(Filter(), offset=0, limit=1000)
    return sum(entry.prediction.input == text for entry, _ in rows)


@pytest.mark.parametrize("wire", formats_for("text-classification"), ids=lambda wire: wire.name)
@pytest.mark.parametrize("text", [*HOSTILE, "".join(HOSTILE)], ids=ascii)
def test_a_text_arrives_as_it_is_and_runs_nothing(
    sentiment: tuple[str, FeedbackLog],
    model: Model,
    tmp_path: Path,
    wire: Format,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    url, log = sentiment
    readable = text.replace("\ud83d", "\N{REPLACEMENT CHARACTER}")
    before = count(log, readable)
    snippet = wire.snippet(call(model.info, text, address=url, needs_key=True))
    assert all(char.isprintable() or char == "\n" for char in snippet.curl + snippet.python)
    curl(snippet.curl, tmp_path)
    check_printed(python(snippet.python), model.predict([text])[0], wire.name)
    until(lambda: count(log, readable) == before + 2)
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_is_too_long_for_a_command_arrives_too(
    sentiment: tuple[str, FeedbackLog], model: Model, tmp_path: Path
) -> None:
    url, _ = sentiment
    text = "It's 🚀 \n\n" * 9_000 + "the end"
    native = FORMATS[0].snippet(call(model.info, text, address=url, needs_key=True))
    answer = curl(native.curl, tmp_path)
    assert answer["predictions"][0]["input"] == text
    assert "positive" in python(native.python) or "neutral" in python(native.python)


def test_without_the_key_there_is_a_sentence(
    sentiment: tuple[str, FeedbackLog],
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, _ = sentiment
    native = FORMATS[0].snippet(call(model.info, "fine", address=url, needs_key=True))
    monkeypatch.setenv("TRYOUT_KEY", "")
    assert "key" in curl(native.curl, tmp_path)["error"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        python(native.python)
    open_to_all = FORMATS[0].snippet(call(model.info, "fine", address=url))
    assert "TRYOUT_KEY" not in open_to_all.curl + open_to_all.python


@pytest.mark.parametrize("needs_key", [False, True])
def test_no_token_of_the_hub_is_sent(
    model: Model, monkeypatch: pytest.MonkeyPatch, needs_key: bool
) -> None:
    """InferenceClient sends that of the caller's account to any URL, unless it has another."""
    sent: list[str] = []

    class Answer:
        content = b'[[{"label": "fine", "score": 1.0}]]'

    def post(_client: object, request: Any, **_options: Any) -> bytes:
        sent.append(request.headers["authorization"])
        return Answer.content

    monkeypatch.setattr("huggingface_hub.InferenceClient._inner_post", post)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_caller")
    monkeypatch.setenv("TRYOUT_KEY", "tryout_key")
    (wire,) = [each for each in FORMATS if each.name == "Hugging Face"]
    asked = call(model.info, "fine", address="http://127.0.0.1:9", needs_key=needs_key)
    python(wire.snippet(asked).python)
    assert sent == ["Bearer tryout_key" if needs_key else "Bearer none"]


def test_parameters_are_those_that_differ_from_the_defaults(
    served: Callable[[str], tuple[Model, str]],
) -> None:
    info = served("text-generation")[0].info
    defaults = {param.name: param.default for param in info.params}
    assert call(info, "a", defaults, address="").params == {}
    changed = defaults | {"temperature": 0.5}
    assert call(info, "a", changed, address="").params == {"temperature": 0.5}
    essential = served("zero-shot-classification")[0].info
    assert call(essential, "a", address="").params.keys() == {"candidate_labels", "multi_label"}


def test_a_prediction_of_another_model_gives_code_for_this_one(
    served: Callable[[str], tuple[Model, str]],
) -> None:
    info = served("text-generation")[0].info
    others = {"candidate_labels": ["a"], "max_new_tokens": 10**9, "temperature": "hot", "seed": 3}
    assert call(info, "a", others, address="").params == {"seed": 3}
    chat = served("chat")[0].info
    openai = next(wire for wire in FORMATS if wire.name == "OpenAI")
    asked = call(chat, "no JSON", {"messages": True}, address="")
    assert '"messages": [{"role": "user", "content": "no JSON"}]' in openai.snippet(asked).curl
    asked = call(chat, r'[{"content": "\ud800"}]', {"messages": True}, address="")
    assert '[{"content": "\N{REPLACEMENT CHARACTER}"}]' in openai.snippet(asked).curl


def test_each_task_has_the_formats_that_it_can_express() -> None:
    for task in TASK_NAMES:
        names = {each.name for each in formats_for(task)}
        assert ("OpenAI" in names) == (task == "text-generation")
        assert len(names) >= 6


def test_graphql_is_there_if_its_packages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GraphQL" in {each.name for each in formats_for("fill-mask")}
    monkeypatch.setitem(sys.modules, "strawberry", None)  # as if it were not installed
    assert "GraphQL" not in {each.name for each in formats_for("fill-mask")}


def test_no_package_is_imported_to_know_that_it_is_there() -> None:
    code = "import sys; from ui.parts.snippets import formats_for; formats_for('fill-mask')"
    code += "; print([name for name in ('strawberry', 'graphql') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "page", "base_path", "address"),
    [
        ("http://localhost:8501/", "", "", "http://localhost:8501"),
        ("http://localhost:8501/about", "about", "", "http://localhost:8501"),
        ("https://host/prefix/about/", "about", "", "https://host/prefix"),
        ("https://host/about/", "", "", "https://host/about"),
        ("https://host/prefix/?p=1#a", "", "", "https://host/prefix"),
        ("https://host/app/about", "about", "/app/", "https://host"),
        ("https://host/team/app", "", "app", "https://host/team"),
        ("http://[::1]:8501/", "", "", "http://[::1]:8501"),
    ],
)
def test_the_address_is_that_of_the_routes(
    url: str, page: str, base_path: str, address: str
) -> None:
    assert address_of(url, page=page, base_path=base_path) == address


def test_an_address_is_quoted_too(model: Model, tmp_path: Path) -> None:
    asked = call(model.info, "a", address="http://127.0.0.1:9/$(touch hacked)'\"")
    for wire in formats_for(asked.task):
        snippet = wire.snippet(asked)
        subprocess.run(["bash", "-c", snippet.curl], cwd=tmp_path, capture_output=True, check=False)
        tree = ast.parse(snippet.python)
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert any(str(text).startswith(asked.address) for text in texts)
    assert list(tmp_path.iterdir()) == []
