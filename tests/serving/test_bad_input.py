"""Bad input to every format: its own error, with the sentence that a page would show.

A table of kinds of bad input and formats; other tests of a format have what only it can get wrong.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from feedback import FeedbackLog
from model import Model
from serving.access import new_key
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.fuzzing import as_http
from tests.helpers.service import listening, service_of
from tests.helpers.wire import JSON, Request

MAX_CHARS = 500
TOKEN, KEY = new_key("shop", ["predict"])
HOLE = "@"  # in the place of the texts
UNKNOWN = {"surprise": 1}


@dataclass(frozen=True)
class Form:
    """A format: its body for texts, the field of parameters, and the sentence of its error."""

    path: str
    body: Callable[[Any], dict[str, Any]]
    parameters: str
    sentence: Callable[[Any], str] = lambda error: error["error"]
    another: str = ""  # the path of a model that is not there
    generates: bool = False

    def content(self, texts: bytes) -> bytes:
        """The body with JSON that `json` would not write in the place of the texts."""
        return json.dumps(self.body(HOLE)).encode().replace(b'"@"', texts)


def _infer(texts: Any) -> dict[str, Any]:
    count = 1_000_001 if texts == HOLE else len(texts)
    return {
        "inputs": [{"name": "text", "shape": [count], "datatype": "BYTES", "data": texts}],
    }


FORMS = {
    "native": Form("/api/predictions", lambda texts: {"texts": texts}, "params"),
    "huggingface": Form(
        "/models/bundled",
        lambda texts: {"inputs": texts},
        "parameters",
        another="/models/another",
    ),
    "openinference": Form(
        "/v2/models/bundled/infer", _infer, "parameters", another="/v2/models/another/infer"
    ),
    "rows": Form(
        "/v1/models/bundled:predict",
        lambda texts: {"instances": texts},
        "parameters",
        another="/v1/models/another:predict",
    ),
    "sagemaker": Form(
        "/invocations",
        lambda texts: {"inputs": texts},
        "parameters",
        lambda error: error["message"],
    ),
    "azureml": Form(
        "/score", lambda texts: {"input_data": texts}, "params", lambda error: error["message"]
    ),
    "openai": Form(
        "/v1/completions",
        lambda texts: {"model": "writer", "prompt": texts, "max_tokens": 4},
        "",
        lambda error: error["error"]["message"],
        generates=True,
    ),
}


@dataclass(frozen=True)
class Bad:
    """A kind of bad input: the bytes of its body, the status and a part of the sentence."""

    content: Callable[[Form], bytes]
    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


def texts(*values: Any) -> Callable[[Form], bytes]:
    return lambda form: json.dumps(form.body(list(values))).encode()


def hole(content: bytes) -> Callable[[Form], bytes]:
    return lambda form: form.content(content)


def parameters(**values: Any) -> Callable[[Form], bytes]:
    def content(form: Form) -> bytes:
        more = {form.parameters: values} if form.parameters else values
        return json.dumps(form.body(["a text"]) | more).encode()

    return content


BAD = {
    "a number for a text": Bad(texts(1), 400, "valid string"),
    "an object for a text": Bad(texts({"a": [1]}), 400, ""),
    "10 MB of nesting": Bad(hole(b"[" * 9_900_000), 400, "not valid JSON: recursion limit"),
    "10 MB of objects": Bad(hole(b'{"a":' * 1_980_000), 400, "not valid JSON: recursion limit"),
    "invalid UTF-8": Bad(hole(b'["\xff\xfe"]'), 400, "not valid JSON"),
    "half a surrogate pair": Bad(hole(b'["\\ud800"]'), 400, "not valid JSON"),
    "NaN for a text": Bad(hole(b"[NaN]"), 400, "valid string"),
    "a million texts": Bad(hole(b"[" + b'"",' * 1_000_000 + b'"a"]'), 413, "1,000,001 texts"),
    "a million numbers": Bad(hole(b"[" + b"1," * 1_000_000 + b"1]"), 400, "valid string"),
    "more bytes than the limit": Bad(hole(b'["' + b"x" * 11_000_000 + b'"]'), 413, "10,000,000"),
    "no text": Bad(texts(), 400, ""),
    "an empty text": Bad(texts("  "), 422, "There is no text to predict"),
    "a text over the limit": Bad(texts("x" * 501), 422, "The text has 501 characters"),
    "an unknown parameter": Bad(parameters(**UNKNOWN), 422, "no parameter 'surprise'"),
    "NaN for a parameter": Bad(parameters(temperature=float("nan")), 422, "temperature"),
    "a parameter of 10 MB": Bad(parameters(surprise="x" * 9_900_000), 422, "surprise"),
    "nothing": Bad(lambda form: b"", 400, "not valid JSON"),
    "half of the body": Bad(lambda form: texts("a text")(form)[:-9], 400, "not valid JSON"),
    "another type": Bad(texts("a"), 415, "image/png", {"Content-Type": "image/png"}),
    "compressed": Bad(texts("a"), 415, "gzip", {"Content-Encoding": "gzip"}),
    "a wrong key": Bad(texts("a"), 401, "not valid", {"Authorization": "Bearer tryout_x"}),
    "no key": Bad(texts("a"), 401, "needs a key", {"Authorization": ""}),
}
# Where a format has no place for a kind, or no other way to say it.
OWN: Mapping[tuple[str, str], tuple[int, str]] = {
    ("openai", "an unknown parameter"): (400, "surprise"),
    ("openai", "a parameter of 10 MB"): (400, "surprise"),
}


@pytest.fixture(scope="module")
def urls(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, str]]:
    """The address of a model that generates, or does not."""
    folder = tmp_path_factory.mktemp("bad")
    with ExitStack() as stack:
        log = FeedbackLog(new_sqlite_log(folder / "log.db"))
        stack.callback(log.close)
        writer = Model(str(tiny.llama(folder / "writer", max_tokens=1024)), device="cpu")
        writer.load()
        stack.callback(writer.close)
        yield {
            loaded.generates: stack.enter_context(
                listening(service_of(loaded, log, max_chars=MAX_CHARS), keys=[KEY])
            )
            for loaded in (model, writer)
        }


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", FORMS)
def test_bad_input_is_a_sentence(urls: dict[bool, str], name: str, kind: str) -> None:
    form, bad = FORMS[name], BAD[kind]
    status, sentence = OWN.get((name, kind), (bad.status, bad.sentence))
    answer = _post(urls, form, form.path, bad.content(form), bad.headers)
    assert answer.status_code == status, answer.text[:500]
    said = form.sentence(answer.json())
    assert sentence in said
    assert len(said) < 500, "a sentence, not the input"
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.another])
def test_another_model_is_not_found(urls: dict[bool, str], name: str) -> None:
    form = FORMS[name]
    answer = _post(urls, form, form.another, texts("a text")(form), {})
    assert answer.status_code == 404
    assert "There is no model 'another' here" in form.sentence(answer.json())


@pytest.mark.parametrize("name", FORMS)
def test_a_body_that_comes_too_slowly(model: Model, sqlite_log: FeedbackLog, name: str) -> None:
    form = FORMS[name]
    content = texts("a text")(form)
    request = Request(form.path, content[:-5], {"Content-Type": JSON})
    with listening(service_of(model, sqlite_log, body_timeout_s=0.2)) as url:
        parts = urlsplit(url)
        with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
            connection.sendall(as_http(request, length=str(len(content))))
            answer = HTTPResponse(connection)
            answer.begin()
            error = json.load(answer)
    assert answer.status == 408
    assert "The body did not arrive within 0.2 s" in form.sentence(error)


def test_afterwards_all_still_answer(urls: dict[bool, str]) -> None:
    for form in FORMS.values():
        answer = _post(urls, form, form.path, texts("a text")(form), {})
        assert answer.status_code == 200, answer.text


def _post(
    urls: dict[bool, str], form: Form, path: str, content: bytes, headers: Mapping[str, str]
) -> httpx2.Response:
    given = {"Content-Type": JSON, "Authorization": f"Bearer {TOKEN}"} | dict(headers)
    url = urls[form.generates] + path
    return httpx2.post(url, content=content, headers=given, timeout=60)
