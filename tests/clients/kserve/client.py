"""KServe's clients: rows by v1, tensors by the Open Inference Protocol, by REST and gRPC."""

import asyncio
import json
import logging
import os
import sys
from typing import Any

import grpc
import httpx
import numpy
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    RESTConfig,
)
from kserve.protocol.infer_type import RequestedOutput

url, name = sys.argv[1:]
texts = json.load(sys.stdin)


def rows(labels: list[str], scores: list[float]) -> list[dict[str, Any]]:
    return [{"label": label, "score": score} for label, score in zip(labels, scores, strict=True)]


async def by_v1() -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    assert await client.is_model_ready(url, name)
    try:
        await client.infer(url, {"instances": ["", *texts]}, model_name=name)
    except httpx.HTTPStatusError as error:
        sentence = str(error)
    assert f"Text 1 of {len(texts) + 1}: There is no text to predict" in sentence
    plain = await client.infer(url, {"instances": texts}, model_name=name)
    objects = await client.infer(
        url, {"instances": [{"text": text} for text in texts], "parameters": {}}, model_name=name
    )
    return {
        way: [{"label": each["label"], "score": each["score"]} for each in answer["predictions"]]
        for way, answer in (("v1", plain), ("v1, objects", objects))
    }


async def by_v2(*, binary: bool) -> list[dict[str, Any]]:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, name)
    assert not await client.is_model_ready(url, "another")
    tensor = InferInput("text", [len(texts)], "BYTES")
    encoded = numpy.array([text.encode() for text in texts], dtype=object)
    tensor.set_data_from_numpy(encoded, binary_data=binary)
    request = InferRequest(
        name,
        [tensor],
        request_id="r1",
        request_outputs=[
            RequestedOutput("label", {"binary_data": binary}),
            RequestedOutput("score", {"binary_data": binary}),
        ],
    )
    answer = await client.infer(url, request, model_name=name)
    assert answer.id == "r1"
    labels, scores = (answer.get_output_by_name(output) for output in ("label", "score"))
    decoded = [label.decode() if isinstance(label, bytes) else label for label in labels.as_numpy()]
    return rows(decoded, scores.as_numpy().tolist())


async def by_grpc(address: str, *, raw: bool) -> list[dict[str, Any]]:
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready(name)
        tensor = InferInput("text", [len(texts)], "BYTES")
        if raw:
            encoded = numpy.array([text.encode() for text in texts], dtype=object)
            tensor.set_data_from_numpy(encoded, binary_data=True)
        else:
            tensor.data = texts
        code, sentence = await refusal(client, InferRequest("another", [tensor]))
        assert code == grpc.StatusCode.NOT_FOUND
        assert "There is no model 'another' here" in sentence
        answer = await client.infer(InferRequest(name, [tensor], request_id="r1"))
    assert answer.id == "r1"
    labels, scores = (answer.get_output_by_name(output) for output in ("label", "score"))
    decoded = [label.decode() for label in labels.as_numpy()]
    return rows(decoded, scores.as_numpy().tolist())


async def refusal(
    client: InferenceGRPCClient, request: InferRequest
) -> tuple[grpc.StatusCode, str]:
    """The code and the sentence of a request that is refused."""
    logging.disable()  # the client logs the traceback of an error, too
    try:
        await client.infer(request)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the request was not refused")


async def main() -> dict[str, Any]:
    answers = await by_v1()
    answers["v2"] = await by_v2(binary=False)
    answers["v2, binary"] = await by_v2(binary=True)
    if address := os.environ.get("GRPC_ADDRESS"):
        answers["gRPC"] = await by_grpc(address, raw=False)
        answers["gRPC, raw"] = await by_grpc(address, raw=True)
    return answers


print(json.dumps(asyncio.run(main())))
