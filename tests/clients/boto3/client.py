"""AWS's client of SageMaker endpoints: JSON, JSON Lines, CSV, and errors.

AWS passes a request of /endpoints/NAME/invocations on to /invocations of the container; here the
client's own hook does.
"""

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, name = sys.argv[1:]
texts = json.load(sys.stdin)
client = boto3.client(
    "sagemaker-runtime",
    endpoint_url=url,
    region_name="eu-central-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    config=Config(retries={"total_max_attempts": 1}),
)


def to_the_container(request: Any, **_: Any) -> None:
    request.url = request.url.replace(f"/endpoints/{name}/invocations", "/invocations")


client.meta.events.register("before-sign.sagemaker-runtime.InvokeEndpoint", to_the_container)


def invoke(body: str, content_type: str, **options: str) -> str:
    answer = client.invoke_endpoint(
        EndpointName=name, Body=body.encode(), ContentType=content_type, **options
    )
    assert answer["ContentType"].split(";")[0] == options.get("Accept", content_type)
    return str(answer["Body"].read().decode())


def refusal(body: str, content_type: str) -> dict[str, Any]:
    """The response to a request that is refused."""
    try:
        invoke(body, content_type)
    except ClientError as error:
        return dict(error.response)
    raise AssertionError(f"{body} was not refused")


def rows(answered: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The label and score of each text."""
    return [{"label": row["label"], "score": row["score"]} for row in answered]


JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
inputs = json.dumps({"inputs": texts})
instances = json.dumps({"instances": texts, "parameters": {}})
lines = "\n".join(json.dumps({"inputs": text}) for text in texts)
file = io.StringIO()
csv.writer(file).writerows([text] for text in texts)
table = file.getvalue()

response = refusal(json.dumps({"inputs": ["a", " "]}), JSON)
assert response["ResponseMetadata"]["HTTPStatusCode"] == 422
assert response["Error"]["Message"].startswith("Text 2 of 2: There is no text")

answers = {
    "JSON": rows(json.loads(invoke(inputs, JSON))),
    "instances": rows(json.loads(invoke(instances, JSON))["predictions"]),
    "JSON Lines": rows(list(map(json.loads, invoke(lines, LINES).splitlines()))),
    "JSON Lines to JSON": rows(json.loads(invoke(lines, LINES, Accept=JSON))),
    "CSV to JSON": rows(json.loads(invoke(table, CSV, Accept=JSON))),
    "CSV": [
        {"label": label, "score": float(score)}
        for label, score in csv.reader(io.StringIO(invoke(table, CSV, Accept=CSV)))
    ],
}
print(json.dumps(answers))
