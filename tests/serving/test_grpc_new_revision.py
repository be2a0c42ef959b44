"""A new revision while clients ask over gRPC: each answer names the revision that made it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from feedback import FeedbackLog
from jobs.loader import ModelLoader
from model import Model
from serving.grpc.protos import open_inference_pb2 as pb
from serving.grpc.protos import tensorflow_pb2 as tf
from serving.grpc.protos import tensorflow_serving_pb2 as serving_pb
from serving.service import Service
from tests.helpers import tiny
from tests.helpers.grpc import answer, grpc_listening, infer, infer_request, stream_infer
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "It is Tuesday."]
PREDICT = "/tensorflow.serving.PredictionService/Predict"


@contextmanager
def serving(folder: Path, log: FeedbackLog) -> Iterator[tuple[grpc.Channel, ModelLoader]]:
    """A channel to a service of the model in `folder`, and the loader of that."""
    loader = ModelLoader(lambda: Model(str(folder), device="cpu"))
    loader.current().result(60)
    service = Service(loader.current, lambda: log, name="bundled")
    with grpc_listening(service) as address, grpc.insecure_channel(address) as channel:
        yield channel, loader
    loader.close()


def renew(folder: Path, loader: ModelLoader) -> str:
    """Puts a new revision into the place of the present one and returns it."""
    tiny.renew(folder)
    loader.reload()
    until(lambda: not loader.is_reloading)
    return loader.current().result().info.revision


def whole(channel: grpc.Channel) -> str:
    answered = infer(channel, infer_request(*TEXTS))
    assert list(answered.outputs[0].shape) == [3]
    return str(answered.model_version)


def streamed(channel: grpc.Channel) -> str:
    (answered,) = stream_infer(channel, iter([infer_request(*TEXTS)]), timeout=60)
    assert not answered.error_message
    return str(answered.infer_response.model_version)


def tensorflow(channel: grpc.Channel) -> str:
    shape = tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=len(TEXTS))])
    tensor = tf.TensorProto(dtype=tf.DT_STRING, tensor_shape=shape)
    tensor.string_val.extend(text.encode() for text in TEXTS)
    request = serving_pb.PredictRequest(
        model_spec=serving_pb.ModelSpec(name="bundled"), inputs={"text": tensor}
    )
    answered = answer(channel, PREDICT, request, serving_pb.PredictResponse)
    return str(answered.model_spec.version_label)


def test_no_request_fails_and_none_goes_back_to_a_former_revision(
    tmp_path: Path, sqlite_log: FeedbackLog
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    asks = (whole, streamed, tensorflow)
    stopped = threading.Event()

    def ask_until_stopped(ask: Any, channel: grpc.Channel) -> list[str]:
        revisions = [ask(channel)]
        while not stopped.is_set():
            revisions.append(ask(channel))
        return revisions

    with serving(folder, sqlite_log) as (channel, loader), ThreadPoolExecutor(len(asks)) as pool:
        expected = [whole(channel)]
        asked = [pool.submit(ask_until_stopped, ask, channel) for ask in asks]
        try:
            expected += [renew(folder, loader) for _ in range(3)]
        finally:
            stopped.set()
        answers = [future.result(60) for future in asked]
        last = [ask(channel) for ask in asks]
    assert len(set(expected)) == 4
    assert last == [expected[-1]] * 3
    for revisions in answers:
        places = [expected.index(revision) for revision in revisions]
        assert places == sorted(places)


def test_a_text_that_grows_is_finished_by_the_revision_that_began_it(
    tmp_path: Path, sqlite_log: FeedbackLog
) -> None:
    folder = tiny.llama(tmp_path / "writer", max_tokens=4096)
    request = infer_request(TEXTS[0])
    request.parameters["max_new_tokens"].int64_param = 400
    short = pb.ModelInferRequest()
    short.CopyFrom(request)
    short.parameters["max_new_tokens"].int64_param = 1
    with serving(folder, sqlite_log) as (channel, loader):
        old, go_on = loader.current().result().info.revision, threading.Event()

        def messages() -> Iterator[Any]:
            yield request
            go_on.wait(60)
            yield short

        answers = stream_infer(channel, messages(), timeout=120)
        first = next(answers)
        tiny.renew(folder)
        loader.reload()
        growing = [first]
        while not growing[-1].infer_response.parameters["triton_final_response"].bool_param:
            growing.append(next(answers))
        assert len(growing) > 1
        until(lambda: not loader.is_reloading)
        go_on.set()
        *_, last = answers
    assert {each.infer_response.model_version for each in growing} == {old}
    assert last.infer_response.model_version == loader.current().result().info.revision != old


def test_a_stream_that_asks_for_a_version_is_not_answered_by_its_successor(
    tmp_path: Path, sqlite_log: FeedbackLog, monkeypatch: Any
) -> None:
    folder = tiny.llama(tmp_path / "writer")
    with serving(folder, sqlite_log) as (channel, loader):
        request = infer_request(TEXTS[0])
        request.model_version = loader.current().result().info.revision
        stream, replaced = Model.stream, threading.Event()

        def replaced_meanwhile(model: Model, *args: Any, **kwargs: Any) -> Any:
            if not replaced.is_set():
                replaced.set()
                renew(folder, loader)
            return stream(model, *args, **kwargs)

        monkeypatch.setattr(Model, "stream", replaced_meanwhile)
        (answered,) = stream_infer(channel, iter([request]), timeout=60)
    assert f"There is no version {request.model_version!r}" in answered.error_message
