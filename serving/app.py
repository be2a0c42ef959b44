"""The HTTP routes beside the pages: probes, metrics, the log as a file.

Takes what it serves as functions and knows neither pages nor settings.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from feedback import FeedbackLog, export_csv
from feedback.preferences import preferences_csv
from feedback.rated_set import rated_jsonl, training_csv
from model import Predictor
from serving.metrics import CONTENT_TYPE, metrics_text

EXPORTS: dict[str, Callable[[FeedbackLog], Iterator[bytes]]] = {
    "ratings.csv": partial(export_csv, unrated=False),
    "predictions.csv": partial(export_csv, unrated=True),
    "rated.csv": training_csv,
    "rated.jsonl": rated_jsonl,
    "preferences.csv": preferences_csv,
}
ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def routes(
    loading: Callable[[], Future[Predictor]],
    log: Callable[[], FeedbackLog],
    sessions: Callable[[], int],
) -> list[BaseRoute]:
    """The routes.

    `loading` gives the model's future and `log` the feedback log, and each may raise if there can
    be none; `sessions` is how many pages are open.
    """

    async def live(request: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(request: Request) -> JSONResponse:
        """200 once the model is in; until then, and if it failed, 503 that says so."""
        try:
            future = loading()
        except Exception as no_model:  # noqa: BLE001 - a probe wants a sentence, whatever it is
            return JSONResponse({"status": "failed", "error": str(no_model)}, 503)
        if not future.done():
            return JSONResponse({"status": "loading"}, 503, headers={"Retry-After": "1"})
        if error := future.exception():
            return JSONResponse({"status": "failed", "error": str(error)}, 503)
        info = future.result().info
        return JSONResponse(
            {"status": "ready", "model": {"id": info.id, "revision": info.revision}}
        )

    async def metrics(request: Request) -> Response:
        try:
            future = loading()
        except Exception:  # noqa: BLE001 - /api/ready says which; the rest can be scraped
            model = None
        else:
            model = future.result() if future.done() and not future.exception() else None
        return Response(metrics_text(model, sessions=sessions()), media_type=CONTENT_TYPE)

    async def exported(request: Request) -> Response:
        """The log as a file, in bounded memory however long it is."""
        name = request.path_params["name"]
        if name not in EXPORTS:
            return await unknown(request)
        rows = export_rows(name)
        try:
            first = await run_in_threadpool(next, rows, b"")
        except Exception as no_log:  # noqa: BLE001 - a client wants a sentence, whatever it is
            return JSONResponse({"error": str(no_log)}, 503)
        return StreamingResponse(
            chain([first], rows),
            media_type="text/csv" if name.endswith("csv") else "application/jsonl",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    def export_rows(name: str) -> Iterator[bytes]:
        yield from EXPORTS[name](log())

    async def unknown(request: Request) -> JSONResponse:
        return JSONResponse(
            {"error": f"There is no {request.method} {request.url.path} here."}, 404
        )

    return [
        Route("/api/live", live),
        Route("/api/ready", ready),
        Route("/api/export/{name}", exported),
        Route("/metrics", metrics),
        # Streamlit answers any other path with its page; below /api that would mislead a client.
        Route("/api", unknown, methods=ANY_METHOD),
        Route("/api/{path:path}", unknown, methods=ANY_METHOD),
    ]
