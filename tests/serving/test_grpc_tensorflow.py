"""TensorFlow Serving's calls: predictions, metadata, status, refusals.

tests/clients asks the same with the package of TensorFlow Serving.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pytest

from feedback import FeedbackLog
from model import Model, Predictor
from model.prediction import output_to_json
from serving.grpc.protos import tensorflow_pb2 as tf
from serving.grpc.protos import tensorflow_serving_pb2 as pb
from serving.service import Service
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.grpc import answer, failure, grpc_listening
from tests.helpers.service import service_of
from tests.helpers.tasks import close

PREDICTION, MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]
OUTPUTS = {"label": 7, "score": 2, "output": 7, "truncated": 10}  # DT_STRING, DT_DOUBLE, DT_BOOL


@pytest.fixture(scope="module")
def channel(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("grpc") / "log.db"))
    service = service_of(model, log, max_texts=20)
    with grpc_listening(service) as address, grpc.insecure_channel(address) as opened:
        yield opened
    log.close()


def tensor(*texts: bytes | str, shape: list[int] | None = None, dtype: Any = tf.DT_STRING) -> Any:
    sizes = [len(texts)] if shape is None else shape
    return tf.TensorProto(
        dtype=dtype,
        tensor_shape={"dim": [{"size": size} for size in sizes]},
        string_val=[text.encode() if isinstance(text, str) else text for text in texts],
    )


def packed() -> Any:
    """A tensor whose elements are in one field, as those of numbers can be."""
    given = tensor("a")
    given.tensor_content = b"a"
    return given


def request(*texts: bytes | str, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "model_spec": pb.ModelSpec(name="bundled"),
        "inputs": {"text": tensor(*texts)},
    }
    return pb.PredictRequest(**given | changes)


def predict(channel: grpc.Channel, asked: Any) -> Any:
    return answer(channel, PREDICTION + "Predict", asked, pb.PredictResponse)


@pytest.mark.parametrize("name", ["text", "inputs", "a name"])
@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_predictions_are_those_of_the_model(
    channel: grpc.Channel, model: Model, name: str, shape: list[int]
) -> None:
    response = predict(channel, request(inputs={name: tensor(*TEXTS, shape=shape)}))
    made = model.predict(TEXTS)
    assert response.model_spec.name == "bundled"
    assert response.model_spec.version_label == model.info.revision
    assert response.model_spec.signature_name == "serving_default"
    outputs = response.outputs
    assert {name: each.dtype for name, each in outputs.items()} == OUTPUTS
    assert all([dim.size for dim in each.tensor_shape.dim] == [3] for each in outputs.values())
    assert [label.decode() for label in outputs["label"].string_val] == [m.label for m in made]
    scores = [each.score for each in made]
    assert list(outputs["score"].double_val) == pytest.approx(scores, abs=1e-4)
    assert [json.loads(whole) for whole in outputs["output"].string_val] == [
        close(output_to_json(each.output)) for each in made
    ]
    assert list(outputs["truncated"].bool_val) == [False] * 3


def test_the_outputs_that_are_asked_for(channel: grpc.Channel) -> None:
    response = predict(channel, request("word " * 1000, output_filter=["truncated", "label"]))
    assert set(response.outputs) == {"truncated", "label"}
    assert list(response.outputs["truncated"].bool_val) == [True]


def test_the_signature(channel: grpc.Channel, model: Model) -> None:
    spec = pb.ModelSpec(name="bundled", version_label=model.info.revision)
    asked = pb.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    kind = pb.GetModelMetadataResponse
    response = answer(channel, PREDICTION + "GetModelMetadata", asked, kind)
    signatures = pb.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert {name: each.dtype for name, each in signature.inputs.items()} == {"text": 7}
    assert {name: each.dtype for name, each in signature.outputs.items()} == OUTPUTS
    assert [dim.size for dim in signature.inputs["text"].tensor_shape.dim] == [-1]
    asked.metadata_field[:] = ["other"]
    got = failure(lambda: answer(channel, PREDICTION + "GetModelMetadata", asked, kind))
    assert got == ("INVALID_ARGUMENT", "metadata_field must be 'signature_def', and nothing else.")


def test_the_state_of_the_model(model: Model, sqlite_log: FeedbackLog) -> None:
    future: Future[Predictor] = Future()
    asked = pb.GetModelStatusRequest(model_spec=pb.ModelSpec(name="bundled"))
    with (
        grpc_listening(Service(lambda: future, lambda: sqlite_log)) as address,
        grpc.insecure_channel(address) as channel,
    ):

        def state() -> str:
            kind = pb.GetModelStatusResponse
            response = answer(channel, MODEL + "GetModelStatus", asked, kind)
            (version,) = response.model_version_status
            assert version.status.error_code == 0
            return str(pb.ModelVersionStatus.State.Name(version.state))

        assert state() == "LOADING"
        future.set_result(model)
        assert state() == "AVAILABLE"
        asked.model_spec.name = "other"
        assert failure(state)[0] == "NOT_FOUND"


def spec(**fields: Any) -> Any:
    return pb.ModelSpec(**{"name": "bundled"} | fields)


@pytest.mark.parametrize(
    ("asked", "code", "sentence"),
    [
        (request("a", model_spec=spec(name="other")), "NOT_FOUND", "no model 'other'"),
        (request("a", model_spec=spec(name="")), "NOT_FOUND", "no model ''"),
        (request("a", model_spec=spec(version={"value": 3})), "NOT_FOUND", "no version 3: a vers"),
        (request("a", model_spec=spec(version_label="x")), "NOT_FOUND", "no version 'x'"),
        (request("a", model_spec=spec(signature_name="x")), "INVALID_ARGUMENT", "is 'x'; there is"),
        (request("a", output_filter=["logits"]), "INVALID_ARGUMENT", "no output 'logits'"),
        (request("a", output_filter=["label"] * 2), "INVALID_ARGUMENT", "'label' is asked for twi"),
        (request("a", inputs={}), "INVALID_ARGUMENT", "There are 0 inputs"),
        (
            request(inputs={"a": tensor("a"), "b": tensor("b")}),
            "INVALID_ARGUMENT",
            "There are 2 inputs",
        ),
        (
            request(inputs={"text": tensor("a", dtype=1)}),
            "INVALID_ARGUMENT",
            "dtype of 'text' is DT_FLOAT. Send DT_STRING.",
        ),
        (request(inputs={"text": tensor("a", dtype=99)}), "INVALID_ARGUMENT", "is type 99"),
        (request(inputs={"text": tensor("a", shape=[])}), "INVALID_ARGUMENT", "Send [n] or"),
        (request(inputs={"x": tensor("a", shape=[1] * 10)}), "INVALID_ARGUMENT", "shape of 'x' is"),
        (request(inputs={"text": tensor("a", shape=[2])}), "INVALID_ARGUMENT", "has 1 texts"),
        (request(inputs={"text": tensor("a", shape=[-1])}), "INVALID_ARGUMENT", "is [-1]"),
        (request(inputs={"text": packed()}), "INVALID_ARGUMENT", "Send texts in string_val."),
        (request(), "INVALID_ARGUMENT", "There are no texts"),
        (request(*"a" * 21), "INVALID_ARGUMENT", "the limit is 20"),
        (request("a", b"\xff"), "INVALID_ARGUMENT", "Text 2 of 2 is not UTF-8"),
        (request("a", " "), "INVALID_ARGUMENT", "Text 2 of 2: There is no text to predict"),
    ],
)
def test_a_request_that_cannot_be_is_a_sentence(
    channel: grpc.Channel, asked: Any, code: str, sentence: str
) -> None:
    got = failure(lambda: predict(channel, asked))
    assert got[0] == code
    assert sentence in got[1]
