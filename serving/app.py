"""The HTTP routes beside the pages: probes, metrics, the log as files.

Takes the model, the log and the number of sessions as functions; knows neither pages nor settings.
"""

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from feedback import FeedbackLog
from serving.exports import EXPORTS, exported
from serving.metrics import CONTENT_TYPE, metrics_text
from serving.probes import Loading, live, ready

ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def routes(
    loading: Loading, log: Callable[[], FeedbackLog], sessions: Callable[[], int]
) -> list[BaseRoute]:
    """The routes.

    `loading` gives the model's future and `log` the feedback log; each may raise if there can be
    none. `sessions` is the number of open pages.
    """
    exports = [
        Route(f"/api/export/{name}", partial(exported, log, name), name=name) for name in EXPORTS
    ]
    return [
        Route("/api/live", live),
        Route("/api/ready", partial(ready, loading)),
        *exports,
        Route("/metrics", partial(metrics, loading, sessions)),
        # Streamlit answers any other path with its page; below /api that would mislead a client.
        Route("/api", unknown, methods=ANY_METHOD),
        Route("/api/{path:path}", unknown, methods=ANY_METHOD),
    ]


async def metrics(loading: Loading, sessions: Callable[[], int], _request: Request) -> Response:
    """All metrics; without a model those that need none, as /api/ready says why there is none."""
    try:
        future = loading()
    except Exception:  # noqa: BLE001 - the rest can be scraped all the same
        model = None
    else:
        model = future.result() if future.done() and not future.exception() else None
    return Response(metrics_text(model, sessions=sessions()), media_type=CONTENT_TYPE)


async def unknown(request: Request) -> JSONResponse:
    """404 with a sentence."""
    return JSONResponse({"error": f"There is no {request.method} {request.url.path} here."}, 404)
