"""GET /v1/models/{name}: the state of a model, as the clients of three formats read it.

The answer has the fields of TensorFlow Serving's status (https://www.tensorflow.org/tfx/serving/
api_rest), of KServe's v1 (`name`, `ready`) and of OpenAI's model object (`id` to `owned_by`).
Knows no other route of these formats.
"""

from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.bodies import ErrorBody
from serving.http import JSON, Format, Operation, json_response
from serving.service import Service


class StatusBody(BaseModel):
    error_code: Literal["OK"]
    error_message: str


class VersionBody(BaseModel):
    version: str
    state: Literal["AVAILABLE"]
    status: StatusBody


class ModelBody(BaseModel):
    model_version_status: list[VersionBody]
    name: str
    ready: Literal[True]
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


def models(service: Service) -> Format:
    """The route as a format of its own, since several share it."""

    async def model(request: Request, body: bytes) -> Response:
        service.require_ready()
        service.require_model(**request.path_params)
        return json_response(model_to_json(service))

    paths = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}")
    return Format(
        name="models",
        error=lambda error: {"error": str(error)},
        error_schema=ErrorBody,
        operations=tuple(
            Operation(
                method="GET",
                path=path,
                handler=model,
                summary="The state of the model",
                responses={JSON: ModelBody},
                statuses=(404,),
            )
            for path in paths
        ),
    )


def model_to_json(service: Service) -> dict[str, Any]:
    """The union of the three; `created` is the time at which the service started."""
    available = {
        "version": service.info.revision,
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return {
        "model_version_status": [available],
        "name": service.name,
        "ready": True,
        "id": service.name,
        "object": "model",
        "created": service.created_s,
        "owned_by": "tryout",
    }
