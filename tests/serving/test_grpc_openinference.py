"""The Open Inference Protocol over gRPC: raw and typed tensors, streams, refusals.

tests/clients asks the same with clients that we did not write.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from feedback import FeedbackLog
from model import Model
from model.prediction import output_to_json
from serving.grpc.protos import open_inference_pb2 as pb
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.growing import begins
from tests.helpers.grpc import (
    INFERENCE,
    answer,
    failure,
    grpc_listening,
    infer,
    infer_request,
    stream_infer,
)
from tests.helpers.service import service_of
from tests.helpers.tasks import TASKS, close
from tests.helpers.tensors import as_bytes, read

TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]
FINAL = "triton_final_response"


def raw_request(raw: Sequence[bytes], count: int, **changes: Any) -> Any:
    given = {"name": "text", "datatype": "BYTES", "shape": [count]} | changes
    return pb.ModelInferRequest(model_name="bundled", inputs=[given], raw_input_contents=raw)


@pytest.fixture(scope="module")
def channel(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """A channel to a service of the bundled model."""
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("grpc") / "log.db"))
    service = service_of(model, log, max_chars=500, max_texts=20)
    with grpc_listening(service) as address, grpc.insecure_channel(address) as opened:
        yield opened
    log.close()


def columns(response: Any) -> dict[str, list[Any]]:
    """The values of each output, raw or typed."""
    values: dict[str, list[Any]] = {}
    for i, output in enumerate(response.outputs):
        (count,) = output.shape
        if response.raw_output_contents:
            values[output.name] = read(output.datatype, response.raw_output_contents[i], count)
        elif output.datatype == "FP64":
            values[output.name] = list(output.contents.fp64_contents)
        else:
            values[output.name] = [text.decode() for text in output.contents.bytes_contents]
        assert len(values[output.name]) == count
    return values


def expect(got: dict[str, list[Any]], model: Model, texts: Sequence[str]) -> None:
    made = model.predict(texts)
    assert got["label"] == [each.label for each in made]
    assert got["score"] == pytest.approx([each.score for each in made], abs=1e-4)
    assert [json.loads(whole) for whole in got["output"]] == [
        close(output_to_json(each.output)) for each in made
    ]


def test_the_server_and_the_model_are_described(channel: grpc.Channel, model: Model) -> None:
    def ask(call: str, request: Any, kind: Any) -> Any:
        return answer(channel, INFERENCE + call, request, kind)

    revision = model.info.revision
    assert ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse).live
    assert ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse).ready
    server = ask("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    assert server.name == "tryout"
    for version in ("", revision):
        ready = pb.ModelReadyRequest(name="bundled", version=version)
        assert ask("ModelReady", ready, pb.ModelReadyResponse).ready
        asked = pb.ModelMetadataRequest(name="bundled", version=version)
        metadata = ask("ModelMetadata", asked, pb.ModelMetadataResponse)
        assert (metadata.name, list(metadata.versions)) == ("bundled", [revision])
        (given,) = metadata.inputs
        assert (given.name, given.datatype, list(given.shape)) == ("text", "BYTES", [-1])
        outputs = [(output.name, output.datatype) for output in metadata.outputs]
        assert outputs == [("label", "BYTES"), ("score", "FP64"), ("output", "BYTES")]
    for call, request, kind in (
        ("ModelReady", pb.ModelReadyRequest(name="other"), pb.ModelReadyResponse),
        ("ModelMetadata", pb.ModelMetadataRequest(name="other"), pb.ModelMetadataResponse),
    ):
        code, sentence = failure(lambda: ask(call, request, kind))  # noqa: B023 - called at once
        assert (code, "There is no model 'other'" in sentence) == ("NOT_FOUND", True)


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_an_answer_is_raw_if_the_request_is(
    channel: grpc.Channel, model: Model, shape: list[int]
) -> None:
    raw = as_bytes(*(text.encode() for text in TEXTS))
    for request, is_raw in (
        (raw_request([raw], 3, shape=shape), True),
        (infer_request(*TEXTS, shape=shape), False),
    ):
        request.id = "a-7"
        response = infer(channel, request)
        assert (response.model_name, response.id) == ("bundled", "a-7")
        assert response.model_version == model.info.revision
        assert bool(response.raw_output_contents) == is_raw
        assert any(output.HasField("contents") for output in response.outputs) != is_raw
        expect(columns(response), model, TEXTS)


def test_the_outputs_that_are_asked_for(channel: grpc.Channel) -> None:
    for request in (infer_request(*TEXTS), raw_request([as_bytes(b"a")], 1)):
        request.outputs.add(name="score").parameters["binary_data"].bool_param = True
        request.outputs.add(name="label")
        assert list(columns(infer(channel, request))) == ["score", "label"]


def test_a_bad_text_fails_alone_and_a_text_that_was_cut_is_named(
    channel: grpc.Channel, model: Model, sqlite_log: FeedbackLog
) -> None:
    response = infer(channel, infer_request(TEXTS[0], " ", "x" * 501))
    errors = json.loads(response.parameters["errors"].string_param)
    assert list(errors) == ["1", "2"]
    assert "There is no text to predict" in errors["1"]
    assert "501 characters and the limit is 500" in errors["2"]
    got = columns(response)
    assert (got["label"][1:], got["score"][1:]) == (["", ""], [0.0, 0.0])
    assert got["output"][1:] == ["", ""]
    assert failure(lambda: infer(channel, infer_request(" ", " ")))[0] == "INVALID_ARGUMENT"
    with (
        grpc_listening(service_of(model, sqlite_log)) as address,
        grpc.insecure_channel(address) as other,
    ):
        response = infer(other, infer_request("word " * 1000, TEXTS[0]))
        assert response.parameters["truncated"].string_param == "[0]"
        assert not infer(other, infer_request(TEXTS[0])).parameters


def changed(request: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def with_parameter(where: str, name: str, **value: Any) -> Any:
    request = infer_request("a")
    request.outputs.add(name="label")
    holder = {"request": request, "input": request.inputs[0], "output": request.outputs[0]}[where]
    holder.parameters[name].CopyFrom(pb.InferParameter(**value))
    return request


def with_parameters(number: int) -> Any:
    request = infer_request("a")
    for i in range(number):
        request.parameters[str(i)].int64_param = i
    return request


def two_inputs() -> Any:
    request = infer_request("a")
    request.inputs.append(request.inputs[0])
    return request


def asking_for(*outputs: str) -> Any:
    request = infer_request("a")
    for output in outputs:
        request.outputs.add(name=output)
    return request


NO_LENGTH, LONG = struct.pack("<I", 9)[:3], struct.pack("<I", 9)


@pytest.mark.parametrize(
    ("request_", "code", "sentence"),
    [
        (changed(infer_request("a"), model_name="other"), "NOT_FOUND", "no model 'other'"),
        (changed(infer_request("a"), model_version="0"), "NOT_FOUND", "no version '0'"),
        (infer_request("a", name="texts"), "INVALID_ARGUMENT", "no input 'texts'"),
        (infer_request("a", datatype="FP32"), "INVALID_ARGUMENT", "is 'FP32'. Send BYTES"),
        (infer_request("a", shape=[]), "INVALID_ARGUMENT", "shape of 'text' is []"),
        (infer_request("a", shape=[1, 2]), "INVALID_ARGUMENT", "shape of 'text' is [1, 2]"),
        (infer_request("a", shape=[1] * 10**6), "INVALID_ARGUMENT", "Send [n] or [n, 1]"),
        (infer_request("a", shape=[-1]), "INVALID_ARGUMENT", "shape of 'text' is [-1]"),
        (infer_request("a", shape=[2]), "INVALID_ARGUMENT", "bytes_contents has 1 texts"),
        (infer_request(), "INVALID_ARGUMENT", "There are no texts"),
        (infer_request(*"a" * 21), "INVALID_ARGUMENT", "21 texts in a request; the limit is 20"),
        (infer_request("a", shape=[10**15]), "INVALID_ARGUMENT", "the limit is 20"),
        (infer_request(b"\xff"), "INVALID_ARGUMENT", "Text 1 of 1 is not UTF-8"),
        (infer_request("a", contents=None), "INVALID_ARGUMENT", "'text' has no data"),
        (two_inputs(), "INVALID_ARGUMENT", "There are 2 inputs"),
        (changed(pb.ModelInferRequest(), model_name="bundled"), "INVALID_ARGUMENT", "0 inputs"),
        (asking_for("logits"), "INVALID_ARGUMENT", "no output 'logits'"),
        (asking_for("score", "score"), "INVALID_ARGUMENT", "'score' is asked for twice"),
        (raw_request([as_bytes(b"\xc3")], 1), "INVALID_ARGUMENT", "is not UTF-8: byte 0 is 0xc3"),
        (raw_request([as_bytes(b"a")], 2), "INVALID_ARGUMENT", "end before text 2 of 2"),
        (raw_request([as_bytes(b"a", b"b")], 1), "INVALID_ARGUMENT", "5 bytes after text 1"),
        (raw_request([NO_LENGTH], 1), "INVALID_ARGUMENT", "end before text 1 of 1"),
        (raw_request([LONG + b"a"], 1), "INVALID_ARGUMENT", "9 bytes by its length; 1 are left"),
        (raw_request([b"", b""], 1), "INVALID_ARGUMENT", "raw_input_contents has 2 tensors"),
        (
            raw_request([as_bytes(b"a")], 1, contents={"bytes_contents": [b"a"]}),
            "INVALID_ARGUMENT",
            "both contents and raw_input_contents",
        ),
        (
            with_parameter("request", "top_p", double_param=0.5),
            "INVALID_ARGUMENT",
            "no parameter 'top_p'",
        ),
        (
            with_parameter("request", "x" * 10**6, double_param=0.5),
            "INVALID_ARGUMENT",
            "no parameter 'xxx",
        ),
        (with_parameters(101), "INVALID_ARGUMENT", "There are 101 parameters"),
        (
            with_parameter("request", "timeout", int64_param=-1),
            "INVALID_ARGUMENT",
            "timeout is -1",
        ),
        (
            with_parameter("input", "shared_memory_region", string_param="x"),
            "INVALID_ARGUMENT",
            "'text' has the parameter 'shared_memory_region'",
        ),
        (
            with_parameter("output", "classification", int64_param=2),
            "INVALID_ARGUMENT",
            "'label' has the parameter 'classification'",
        ),
    ],
)
def test_a_request_that_cannot_be_is_a_sentence(
    channel: grpc.Channel, request_: Any, code: str, sentence: str
) -> None:
    got = failure(lambda: infer(channel, request_))
    assert got[0] == code
    assert sentence in got[1]


def test_parameters_that_change_nothing_are_taken(channel: grpc.Channel) -> None:
    request = infer_request("a")
    request.parameters["priority"].uint64_param = 1
    request.parameters["sequence_id"].int64_param = 7
    request.parameters["timeout"].int64_param = 60_000_000
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    request.parameters["nothing"].SetInParent()
    assert infer(channel, request).outputs


def test_a_bad_message_does_not_end_a_stream(channel: grpc.Channel, model: Model) -> None:
    requests = [
        changed(infer_request(*TEXTS), id="1"),
        changed(infer_request(b"\xff"), id="2"),
        changed(raw_request([as_bytes(TEXTS[0].encode())], 1), id="3"),
    ]
    first, second, third = stream_infer(channel, iter(requests), timeout=60)
    assert [each.infer_response.id for each in (first, second, third)] == ["1", "2", "3"]
    expect(columns(first.infer_response), model, TEXTS)
    assert "is not UTF-8" in second.error_message
    assert not second.infer_response.outputs
    expect(columns(third.infer_response), model, TEXTS[:1])
    assert all(each.infer_response.parameters[FINAL].bool_param for each in (first, second, third))


@pytest.mark.parametrize("name", [*TASKS])
def test_every_task_has_its_outputs(name: str, tmp_path: Path) -> None:
    task = TASKS[name]
    model = Model(str(task.make(tmp_path / "bundled")), device="cpu")
    model.load()
    log = FeedbackLog(new_sqlite_log(tmp_path / "log.db"))
    request = infer_request(task.text)
    for parameter, value in task.params.items():
        kind = {bool: "bool_param", int: "int64_param", list: "string_param"}[type(value)]
        given = json.dumps(value) if isinstance(value, list) else value
        setattr(request.parameters[parameter], kind, given)
    (made,) = model.predict([task.text], task.params)
    with (
        grpc_listening(service_of(model, log)) as address,
        grpc.insecure_channel(address) as channel,
    ):
        *growing, last = stream_infer(channel, iter([request]), timeout=60)
        for response in (infer(channel, request), last.infer_response):
            got = columns(response)
            assert got["label"] == [made.label]
            assert got["score"] == [pytest.approx(made.score or 0.0, abs=1e-4)]
            assert json.loads(got["output"][0]) == close(output_to_json(made.output))
        if "candidate_labels" in task.params:
            for wrong in ("billing", '["billing", "\\ud800"]', "[" * 10_000):
                request.parameters["candidate_labels"].string_param = wrong
                code, sentence = failure(lambda: infer(channel, request))
                assert code == "INVALID_ARGUMENT"
                assert "it must be a list as JSON, in string_param" in sentence
    assert bool(growing) <= (name == "text-generation")
    model.close()
    log.close()


def test_a_text_that_grows_is_streamed(tmp_path: Path) -> None:
    model = Model(str(tiny.llama(tmp_path / "bundled", max_tokens=4096)), device="cpu")
    model.load()
    log = FeedbackLog(new_sqlite_log(tmp_path / "log.db"))
    request = infer_request("Once upon")
    request.parameters["max_new_tokens"].int64_param = 200
    with (
        grpc_listening(service_of(model, log)) as address,
        grpc.insecure_channel(address) as channel,
    ):
        *growing, last = (
            each.infer_response for each in stream_infer(channel, iter([request]), timeout=60)
        )
    assert growing
    assert not any(each.parameters[FINAL].bool_param for each in growing)
    assert last.parameters[FINAL].bool_param
    (output,) = columns(last)["output"]
    whole = json.loads(output)
    for each in growing:
        so_far = json.loads(columns(each)["output"][0])
        assert so_far["finish"] is None
        assert 0 < so_far["tokens"] <= whole["tokens"]
        assert begins(whole["text"], so_far["text"])
    model.close()
    log.close()
