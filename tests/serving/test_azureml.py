"""Azure ML's scoring route over a real port: documented requests, and refusals.

The requests are those for MLflow models, and for the models of Azure's registry:
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models#input-structure,
https://github.com/Azure/azureml-examples/tree/main/sdk/python/foundation-models/system/inference.
"""

import json
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from feedback import FeedbackLog
from model import Model
from model.prediction import output_from_json
from serving.bodies import Row
from serving.formats.azureml import ErrorBody
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.service import listening, service_of

MAX_CHARS = 3000
TEXTS = ["I had so much fun today!", "That was an unfortunate series of events.", "Müde, 你好 🙂"]
FRAME = {"columns": ["text"], "index": [0, 1, 2], "data": [[text] for text in TEXTS]}
WIDE = {
    "columns": ["age", "text"],
    "index": ["a", "b", "c"],
    "data": [[i, text] for i, text in enumerate(TEXTS)],
}


@pytest.mark.parametrize(
    "given",
    [
        TEXTS,  # the list of "Tensor input"
        FRAME,  # "JSON-serialized pandas DataFrame in the split orientation"
        WIDE,
        {"columns": ["input_string"], "data": FRAME["data"]},
        {"columns": ["review"], "index": None, "data": FRAME["data"]},
        # .../inference/text-generation/book-corpus-dataset/sample_score_mistral.json
        {"input_string": TEXTS},
        {"input_string": TEXTS, "parameters": {}},
    ],
)
def test_texts_in_each_form(client: httpx2.Client, model: Model, given: Any) -> None:
    answer = client.post("/score", json={"input_data": given})
    assert answer.status_code == 200, answer.text
    TypeAdapter(list[Row]).validate_json(answer.content, strict=True)
    for row, expected in zip(answer.json(), model.predict(TEXTS), strict=True):
        assert row["label"] == expected.label
        assert row["score"] == pytest.approx(expected.score, abs=1e-4)
        assert output_from_json(row["output"]).label == expected.label
        assert row["truncated"] is False


def test_a_text_that_was_cut_says_so(client: httpx2.Client) -> None:
    rows = client.post("/score", json={"input_data": ["a film " * 400, "a film"]}).json()
    assert [row["truncated"] for row in rows] == [True, False]


def test_params(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`params` is beside input_data, `parameters` in it, as Azure's scoring script reads them.

    https://github.com/Azure/azureml-assets, mlflow_score_script.py
    """
    folder = tmp_path_factory.mktemp("zero-shot")
    model = Model(str(tiny.nli(folder / "model")), device="cpu")
    model.load()
    log = FeedbackLog(new_sqlite_log(folder / "log.db"))
    params = {"candidate_labels": ["refund", "faq"], "multi_label": True}
    bodies: list[dict[str, Any]] = [
        {"input_data": TEXTS[:1], "params": params | {"hypothesis_template": None}},
        {"input_data": {"columns": ["a"], "data": [TEXTS[:1]]}, "params": params},
        {"input_data": {"input_string": TEXTS[:1], "parameters": params}},
    ]
    with listening(service_of(model, log)) as url:
        answers = [httpx2.post(f"{url}/score", json=body).json() for body in bodies]
    (expected,) = model.predict(TEXTS[:1], params)
    for (row,) in answers:
        assert output_from_json(row["output"]).scores == pytest.approx(
            expected.output.scores, abs=1e-4
        )
    model.close()
    log.close()


@pytest.mark.parametrize(
    ("given", "status", "sentence"),
    [
        ({}, 400, "input_data.columns: Field required"),
        ([], 400, "input_data: "),
        ("a", 400, "input_data: "),
        ([1], 400, "input_data.0: "),
        ([["a"]], 400, "input_data.0: "),
        ({"input_string": "a"}, 400, "input_data.input_string: "),
        ({"input_string": ["a"], "b": ["c"]}, 400, "input_data.b: "),
        (FRAME | {"columns": []}, 400, "input_data.columns: "),
        (FRAME | {"data": []}, 400, "input_data.data: "),
        (FRAME | {"data": ["a"]}, 400, "input_data.data.0: "),
        (FRAME | {"data": [["a"], ["b", "c"]]}, 422, "Row 2 of data has 2 values for 1 columns"),
        (FRAME | {"data": [["a"], [None]]}, 422, "Row 2 of data has None where a text must be"),
        (FRAME | {"data": [["a"], [" "]]}, 422, "Text 2 of 2: There is no text"),
        (WIDE | {"columns": ["a", "b"]}, 422, "The columns are a, b; the texts must be in the"),
        (WIDE | {"columns": ["text", "text"]}, 422, "The columns are text, text; the texts"),
        (["a" * 3001], 422, "3,001 characters and the limit is 3,000"),
        (["a"] * 21, 413, "21 texts in a request; the limit is 20"),
    ],
)
def test_input_that_cannot_be(
    client: httpx2.Client, given: Any, status: int, sentence: str
) -> None:
    answer = client.post("/score", json={"input_data": given})
    error = ErrorBody.model_validate_json(answer.content, strict=True)
    assert (answer.status_code, sentence in error.message) == (status, True), error


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 5_000_000, 400, "not valid JSON"),
        (b'{"input_data": ["a"], "params": ' + b'{"a":' * 100_000, 400, "not valid JSON"),
        (b'{"input_data": ["\xff"]}', 400, "not valid JSON"),
        (b'{"input_data": [' + b"1," * 3_000_000 + b"1]}", 400, "input_data.0: "),
        (
            b'{"input_data": {"columns": ["a"], "data": [' + b"1," * 3_000_000 + b"1]}}",
            400,
            "input_data.data.0: ",
        ),
        (b"{}", 400, "input_data: Field required"),
        (b'{"inputs": ["a"]}', 400, "input_data: Field required"),
        (b'{"input_data": ["a"], "params": {"top_p": NaN}}', 422, "no parameter 'top_p'"),
        (
            b'{"input_data": {"input_string": ["a"], "parameters": {"a": 1}}, "params": {"b": 1}}',
            422,
            "There are params and input_data.parameters. Send params alone.",
        ),
        (json.dumps({"input_data": ["a"] * 3_000_000}).encode(), 413, "more than 10,000,000 bytes"),
        (json.dumps({"input_data": ["a"] * 1_000_000}).encode(), 413, "1,000,000 texts"),
    ],
)
def test_a_malformed_request_is_a_sentence(
    client: httpx2.Client, body: bytes, status: int, sentence: str
) -> None:
    answer = client.post("/score", content=body, headers={"Content-Type": "application/json"})
    error = ErrorBody.model_validate_json(answer.content, strict=True)
    assert (answer.status_code, sentence in error.message) == (status, True), error


def test_the_errors_of_http_have_the_same_body(client: httpx2.Client) -> None:
    for answer, status in (
        (client.get("/score"), 405),
        (client.post("/score", content="a", headers={"Content-Type": "text/csv"}), 415),
    ):
        assert answer.status_code == status
        ErrorBody.model_validate_json(answer.content, strict=True)
