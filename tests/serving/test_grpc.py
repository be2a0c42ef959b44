"""Common to the calls of all formats over gRPC: codes, keys, deadlines, health, reflection, TLS."""

import logging
import queue
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from feedback import FeedbackLog
from feedback.filters import Filter
from model import Model, ModelError, Predictor
from serving.access import new_key
from serving.errors import FAILED, CannotListen
from serving.grpc.calls import address_of
from serving.grpc.protos import open_inference_pb2 as pb
from serving.service import Service
from tests.helpers.grpc import (
    INFERENCE,
    answer,
    failure,
    grpc_listening,
    infer,
    infer_request,
    stream_infer,
)
from tests.helpers.predictor import FakePredictor
from tests.helpers.server import free_port
from tests.helpers.service import listening, service_of
from tests.helpers.until import until

TEXT = "a good day"
REQUEST = infer_request(TEXT)
REQUEST.model_name = "fake"
SERVICES = [
    "inference.GRPCInferenceService",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
]
Status = health_pb2.HealthCheckResponse


@pytest.fixture
def fake() -> FakePredictor:
    predictor = FakePredictor()
    predictor.load()
    return predictor


@pytest.fixture
def service(fake: FakePredictor, sqlite_log: FeedbackLog) -> Service:
    return service_of(fake, sqlite_log, max_body_bytes=10_000)


@pytest.fixture
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc_listening(service) as address, grpc.insecure_channel(address) as opened:
        yield opened


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of requests; other loggers may have written, too."""
    return [record.getMessage() for record in caplog.records if record.name == "tryout.requests"]


def test_a_request_is_counted_and_has_a_line_without_its_text(
    service: Service, channel: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tryout.requests")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    infer(channel, REQUEST, metadata=(("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),))
    failure(lambda: infer(channel, infer_request(TEXT)))
    until(lambda: len(lines(caplog)) == 2)
    first, second = lines(caplog)
    assert first.startswith(
        "method=GRPC path=/inference.GRPCInferenceService/ModelInfer format=openinference status=OK"
    )
    assert first.endswith(f" trace={trace} key=-")
    assert " status=NOT_FOUND " in second
    assert TEXT not in caplog.text
    counts = {("openinference", "OK"): 1, ("openinference", "NOT_FOUND"): 1}
    assert service.requests.counts == counts


def test_counts_and_rates_are_those_of_http_too(
    fake: FakePredictor, sqlite_log: FeedbackLog
) -> None:

    service = service_of(fake, sqlite_log)
    with grpc_listening(service) as address, listening(service) as url:
        with grpc.insecure_channel(address) as channel:
            infer(channel, REQUEST)
        httpx2.post(f"{url}/api/predictions", json={"texts": [TEXT]})
        text = httpx2.get(f"{url}/metrics").text
    assert 'tryout_requests_total{format="openinference",status="OK"} 1.0' in text
    assert 'tryout_requests_total{format="native",status="200"} 1.0' in text


def test_predictions_are_stored_unless_the_caller_opts_out(
    channel: grpc.Channel, service: Service, sqlite_log: FeedbackLog
) -> None:
    infer(channel, REQUEST, metadata=(("x-tryout-log", "no"),))
    kept = infer_request("a bad day")
    kept.model_name = "fake"
    infer(channel, kept)
    until(lambda: service.unstored == 0 and sqlite_log.counts().predictions)
    ((entry, _),) = sqlite_log.page(Filter(), offset=0, limit=9)
    assert (entry.prediction.input, entry.source) == ("a bad day", "api")


def test_keys_scopes_and_rates(fake: FakePredictor, sqlite_log: FeedbackLog) -> None:
    reader, for_reader = new_key("reader", ["predict"])
    rater, for_rater = new_key("rater", ["rate"])
    service = service_of(fake, sqlite_log)
    with (
        grpc_listening(service, keys=[for_reader, for_rater], requests_per_minute=2) as address,
        grpc.insecure_channel(address) as channel,
    ):
        assert failure(lambda: infer(channel, REQUEST))[0] == "UNAUTHENTICATED"
        wrong = failure(lambda: infer(channel, REQUEST, metadata=bearer("no")))
        assert wrong == ("UNAUTHENTICATED", "The key is not valid. Ask the owner for another.")
        assert failure(lambda: infer(channel, REQUEST, metadata=bearer(rater))) == (
            "PERMISSION_DENIED",
            "The key 'rater' may rate; this needs 'predict'. Ask the owner for it.",
        )
        stream = stream_infer(channel, iter([REQUEST]), metadata=bearer("no"), timeout=60)
        assert failure(lambda: list(stream))[0] == "UNAUTHENTICATED"
        assert infer(channel, REQUEST, metadata=bearer(reader)).outputs
        # Each message of a stream is a request.
        good, refused = stream_infer(
            channel, iter([REQUEST, REQUEST]), metadata=bearer(reader), timeout=60
        )
        assert good.infer_response.outputs
        assert "More than 2 requests a minute" in refused.error_message
        with pytest.raises(grpc.RpcError) as raised:
            infer(channel, REQUEST, metadata=bearer(reader))
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        (wait,) = (v for k, v in raised.value.trailing_metadata() if k == "retry-after")
        assert int(wait) >= 1
        live = answer(
            channel, INFERENCE + "ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse
        )
        assert live.live, "probes need no key"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:1234", "127.0.0.1"),
        ("ipv6:%5B::1%5D:1234", "::1"),
        ("ipv6:[2001:db8::7]:1", "2001:db8::7"),
        ("unix:", ""),
    ],
)
def test_the_address_of_a_client(peer: str, address: str) -> None:
    assert address_of(peer) == address


def test_messages_that_cannot_be_read(channel: grpc.Channel) -> None:
    raw = channel.unary_unary(INFERENCE + "ModelInfer")
    for broken in (b"\xff\xff\xff", b"\x0a\x01\xff", b"\x0a\x7f"):
        code, sentence = failure(lambda: raw(broken, timeout=60))  # noqa: B023 - called at once
        assert code == "INVALID_ARGUMENT"
        assert sentence.startswith("The message is not of the type inference.ModelInferRequest")
    for call in (
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ):
        method = channel.stream_stream(call)
        got = failure(lambda: next(method(iter([b"\xff"]), timeout=60)))  # noqa: B023 - called at once
        assert got[0] == "INVALID_ARGUMENT"
    assert failure(lambda: raw(b"x" * 10_001, timeout=60))[0] == "RESOURCE_EXHAUSTED"
    small = infer_request("a" * 9_000)
    squeezed = failure(lambda: infer(channel, small, compression=grpc.Compression.Gzip))
    assert squeezed[0] == "UNIMPLEMENTED", "a small message could be huge"


@pytest.mark.parametrize(
    "call", [INFERENCE + "ModelConfig", "/tensorflow.serving.PredictionService/Classify", "/a.B/C"]
)
def test_other_calls_are_a_sentence(channel: grpc.Channel, call: str) -> None:
    for method in (channel.unary_unary(call), channel.stream_unary(call)):
        argument: Any = b"" if isinstance(method, grpc.UnaryUnaryMultiCallable) else iter([b""])
        expected = f"There is no call {call} here. Reflection lists the others."
        assert failure(lambda: method(argument, timeout=60)) == (  # noqa: B023 - called at once
            "UNIMPLEMENTED",
            expected,
        )


def test_failures_of_the_model_and_of_our_own(
    channel: grpc.Channel, fake: FakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: Exception) -> Any:
        return lambda *_, **__: (_ for _ in ()).throw(error)

    for error, sentence in ((ModelError("It failed."), "It failed."), (OSError("x"), FAILED)):
        monkeypatch.setattr(fake, "submit", failing(error))
        assert failure(lambda: infer(channel, REQUEST)) == ("INTERNAL", sentence)


def test_health_and_readiness_follow_the_model(
    fake: FakePredictor, sqlite_log: FeedbackLog
) -> None:
    future: Future[Predictor] = Future()
    service = Service(lambda: future, lambda: sqlite_log)

    def watched(channel: grpc.Channel, name: str) -> "queue.Queue[int]":
        method = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=Status.FromString,
        )
        seen: queue.Queue[int] = queue.Queue()
        call = method(health_pb2.HealthCheckRequest(service=name))

        def read() -> None:
            try:
                for each in call:
                    seen.put(each.status)
            except grpc.RpcError:
                return

        threading.Thread(target=read, daemon=True).start()
        return seen

    def check(name: str) -> int:
        asked = health_pb2.HealthCheckRequest(service=name)
        return int(answer(channel, "/grpc.health.v1.Health/Check", asked, Status).status)

    def ready() -> bool:
        asked, kind = pb.ServerReadyRequest(), pb.ServerReadyResponse
        return bool(answer(channel, INFERENCE + "ServerReady", asked, kind).ready)

    with grpc_listening(service) as address, grpc.insecure_channel(address) as channel:
        watching = [watched(channel, name) for name in ("", *SERVICES)]
        assert watched(channel, "a.B").get(timeout=60) == Status.SERVICE_UNKNOWN
        assert failure(lambda: check("a.B"))[0] == "NOT_FOUND"
        for state, holds in ((Status.NOT_SERVING, False), (Status.SERVING, True)):
            if holds:
                future.set_result(fake)
            assert [check(name) for name in ("", *SERVICES)] == [state] * 4
            assert [each.get(timeout=60) for each in watching] == [state] * 4
            assert ready() == holds
            if not holds:
                with pytest.raises(grpc.RpcError) as raised:
                    infer(channel, REQUEST)
                assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
                assert "The model is loading" in raised.value.details()
                assert ("retry-after", "1") in raised.value.trailing_metadata()
        assert infer(channel, REQUEST).outputs
        service.is_stopping = True
        assert [each.get(timeout=60) for each in watching] == [Status.NOT_SERVING] * 4
        assert not ready()
        code, sentence = failure(lambda: infer(channel, REQUEST))
        assert (code, "about to end" in sentence) == ("UNAVAILABLE", True)


def test_reflection_lists_what_is_served(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    served = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert set(database.get_services()) == {*SERVICES, *served}
    file = database.FindFileContainingSymbol(SERVICES[0])
    assert [call.name for call in file.service[0].method] == [
        "ServerLive",
        "ServerReady",
        "ModelReady",
        "ServerMetadata",
        "ModelMetadata",
        "ModelInfer",
        "ModelStreamInfer",
    ]


# --- texts that wait --------------------------------------------------------------------------


@pytest.fixture
def waiting(
    model: Model, sqlite_log: FeedbackLog, held: threading.Event
) -> Iterator[tuple[Service, grpc.Channel]]:
    """A service whose model computes nothing until `held` is set, and has begun with a text."""
    model.submit("the first")
    until(lambda: model.queue_depth == 0)
    service = service_of(model, sqlite_log)
    with grpc_listening(service) as address, grpc.insecure_channel(address) as channel:
        yield service, channel


@pytest.mark.parametrize("texts", [["a"], ["a", "b", "c"]])
@pytest.mark.parametrize("way", ["call", "stream", "deadline"])
def test_a_client_that_leaves_cancels_its_texts(
    model: Model,
    held: threading.Event,
    waiting: tuple[Service, grpc.Channel],
    way: str,
    texts: list[str],
) -> None:
    service, channel = waiting
    before = model.counters.cancelled + model.counters.expired
    request = infer_request(*texts)
    if way == "stream":
        call: Any = stream_infer(channel, iter([request]))
    else:
        method = channel.unary_unary(
            INFERENCE + "ModelInfer", request_serializer=pb.ModelInferRequest.SerializeToString
        )
        call = method.future(request, timeout=2 if way == "deadline" else None)
    until(lambda: model.queue_depth == len(texts))
    if way != "deadline":
        call.cancel()
    until(lambda: service.requests.counts)
    ((_, code),) = service.requests.counts
    # The client's own end of a deadline can come a little before the service's.
    assert code == "CANCELLED" or (code, way) == ("DEADLINE_EXCEEDED", "deadline")
    held.set()  # a cancelled text leaves the queue when its turn comes, and is not computed
    until(lambda: model.counters.cancelled + model.counters.expired == before + len(texts))


def test_a_timeout_in_the_request_is_a_deadline_of_its_texts(
    model: Model, held: threading.Event, waiting: tuple[Service, grpc.Channel]
) -> None:
    request = infer_request(TEXT)
    request.parameters["timeout"].int64_param = 1000
    with ThreadPoolExecutor(1) as pool:
        failed = pool.submit(failure, lambda: infer(waiting[1], request))
        until(lambda: model.queue_depth == 1)
        held.set()
        code, sentence = failed.result()
    assert code == "DEADLINE_EXCEEDED"
    assert "The model is overloaded. This text waited" in sentence


def test_a_full_queue_says_when_to_come_back(
    model: Model,
    held: threading.Event,
    waiting: tuple[Service, grpc.Channel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model._queue, "_max_items", 2)
    queued = [model.submit("a text") for _ in range(2)]
    with pytest.raises(grpc.RpcError) as raised:
        infer(waiting[1], infer_request(TEXT))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "retry-after" in dict(raised.value.trailing_metadata())
    for future in queued:
        future.cancel()


def test_a_stream_that_waits_for_its_client_does_not_hold_up_the_end(
    fake: FakePredictor, sqlite_log: FeedbackLog
) -> None:
    messages: queue.Queue[Any] = queue.Queue()
    with grpc_listening(service_of(fake, sqlite_log)) as address:
        channel = grpc.insecure_channel(address)
        answers = stream_infer(channel, iter(messages.get, None))
        messages.put(REQUEST)
        assert next(answers).infer_response.outputs
    assert failure(lambda: next(answers))[0] in ("CANCELLED", "UNAVAILABLE")
    messages.put(None)
    channel.close()


# --- ports ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A certificate of localhost that it has signed itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = {"certificate": folder / "certificate.pem", "key": folder / "key.pem"}
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command = ["openssl", "req", *options.split(), "-addext", "subjectAltName=DNS:localhost"]
    command += ["-out", str(paths["certificate"]), "-keyout", str(paths["key"])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def test_tls(fake: FakePredictor, sqlite_log: FeedbackLog, certificate: dict[str, Any]) -> None:
    with grpc_listening(service_of(fake, sqlite_log), **certificate) as address:
        port = address.split(":")[1]
        trust = grpc.ssl_channel_credentials(certificate["certificate"].read_bytes())
        with grpc.secure_channel(f"localhost:{port}", trust) as channel:
            assert infer(channel, REQUEST).outputs
        with grpc.insecure_channel(address) as channel:
            assert failure(lambda: infer(channel, REQUEST))[0] == "UNAVAILABLE"


def test_a_certificate_that_is_none_is_a_sentence(
    fake: FakePredictor, sqlite_log: FeedbackLog, certificate: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "text.pem").write_text("a text")
    service = service_of(fake, sqlite_log)
    for wrong in (
        {"certificate": tmp_path / "text.pem"},
        {"key": certificate["certificate"]},
        {"certificate": tmp_path / "nowhere.pem"},
        {"key": tmp_path},
    ):
        with (
            pytest.raises(CannotListen, match="must be a certificate and its key as PEM"),
            grpc_listening(service, **(certificate | wrong)),
        ):
            pass


def test_a_port_that_is_taken_is_a_sentence(fake: FakePredictor, sqlite_log: FeedbackLog) -> None:
    port = free_port()
    with (
        grpc_listening(service_of(fake, sqlite_log), port=port),
        pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}"),
        grpc_listening(service_of(fake, sqlite_log), port=port),
    ):
        pass
