"""KServe's REST client: rows by v1, tensors by the Open Inference Protocol, as JSON and binary."""

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
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


async def main() -> dict[str, Any]:
    answers = await by_v1()
    answers["v2"] = await by_v2(binary=False)
    answers["v2, binary"] = await by_v2(binary=True)
    return answers


print(json.dumps(asyncio.run(main())))
