"""The HTTP routes: the formats, probes, metrics, the log as files; beside the pages or alone.

Takes the service and the number of sessions; knows neither pages nor settings.
"""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from errors import TryoutError
from serving import api_page, openapi
from serving.access import Access
from serving.admission import admit
from serving.batches import batches
from serving.errors import headers_of, status_of
from serving.exports import EXPORTS, exported
from serving.formats.azureml import azureml
from serving.formats.huggingface import huggingface
from serving.formats.native import native
from serving.formats.openai import openai
from serving.formats.openinference import openinference
from serving.formats.rows import rows, vertex
from serving.formats.sagemaker import sagemaker
from serving.graphql.route import graphql
from serving.http import Gate, any_method, routes_of
from serving.metrics import CONTENT_TYPE, metrics_text
from serving.models_route import models
from serving.probes import live, ready
from serving.requests import API_VERSION
from serving.service import Service

FORMATS = (native, huggingface, openinference, rows, models, openai, sagemaker, azureml)


def routes(
    service: Service,
    sessions: Callable[[], int],
    *,
    access: Access,
    cors: Sequence[str] = (),
    open_exports: bool = True,
    open_metrics: bool = True,
    random_share: float = 0.0,
    health_route: str = "",
    predict_route: str = "",
) -> list[BaseRoute]:
    """The routes; `sessions` is the number of open pages.

    `cors` are the origins whose pages may ask. Exports need a key that may export if there are
    keys, or if they are not open; metrics need one if they are not open. `random_share` of all
    predictions is drawn for review. `health_route` and `predict_route` are paths that Vertex AI
    wants besides; they go first.
    """
    vertex_ai = vertex(service, health_route=health_route, predict_route=predict_route)
    close_exports = access.has_keys or not open_exports
    formats = [
        vertex_ai,
        *(wire(service) for wire in FORMATS),
        batches(service, closed=close_exports),
        graphql(service, closes_log=close_exports, random_share=random_share),
    ]
    gate = Gate(access=access, limits=service.limits, counts=service.requests, cors=cors)

    @cache
    def described() -> dict[str, Any]:  # when it is asked for: it takes longer than all else here
        return openapi.document(formats, title="Tryout", version=API_VERSION)

    exports = [
        Route(
            f"/api/export/{name}",
            _with_key(partial(exported, service.open_log, name), access, closed=close_exports),
            name=name,
        )
        for name in EXPORTS
    ]
    return [
        Route("/api/live", live),
        Route("/api/ready", partial(ready, service)),
        *(route for wire in formats for route in routes_of(wire, gate)),
        *exports,
        Route("/api/openapi.json", partial(_json, described)),
        Route("/api/docs", partial(_html, lambda: api_page.page(described()))),
        Route(
            "/metrics",
            _with_key(partial(metrics, service, sessions), access, closed=not open_metrics),
        ),
        # Streamlit answers any other path with its page; below these that would mislead a client.
        any_method("/api", unknown),
        any_method("/api/{path:path}", unknown),
        any_method("/models", unknown),
        any_method("/v1/{path:path}", unknown),
        any_method("/v2/{path:path}", unknown),
    ]


async def metrics(service: Service, sessions: Callable[[], int], _request: Request) -> Response:
    """All metrics; without a model those that need none, as /api/ready says why there is none."""
    text = metrics_text(
        service.loaded,
        sessions=sessions(),
        requests=service.requests.counts,
        unstored=service.unstored,
        refused=service.refused,
        shadow=service.shadow.counts if service.shadow else None,
    )
    return Response(text, media_type=CONTENT_TYPE)


def _with_key(
    endpoint: Callable[[Request], Awaitable[Response]], access: Access, *, closed: bool
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint for clients whose key may export, if it is `closed`; else for all."""

    async def admitted(request: Request) -> Response:
        try:
            admit(request, access, "export", closed=True)
        except TryoutError as error:
            headers = headers_of(error)
            return JSONResponse({"error": str(error)}, status_of(error).http, headers)
        return await endpoint(request)

    return admitted if closed else endpoint


async def _json(make: Callable[[], object], _request: Request) -> Response:
    return JSONResponse(await to_thread(make))


async def _html(make: Callable[[], str], _request: Request) -> Response:
    return HTMLResponse(await to_thread(make))


async def unknown(request: Request) -> JSONResponse:
    """404 with a sentence."""
    return JSONResponse({"error": f"There is no {request.method} {request.url.path} here."}, 404)
