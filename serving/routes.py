"""The HTTP routes below /api: is the process alive, is the model ready.

Takes the model as a future and knows neither pages nor settings.
"""

from collections.abc import Callable
from concurrent.futures import Future

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from model import Model

ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def routes(loading: Callable[[], Future[Model]]) -> list[BaseRoute]:
    """The routes; `loading` gives the model's future, and may raise if there can be none."""

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

    async def unknown(request: Request) -> JSONResponse:
        return JSONResponse(
            {"error": f"There is no {request.method} {request.url.path} here."}, 404
        )

    return [
        Route("/api/live", live),
        Route("/api/ready", ready),
        # Streamlit answers any other path with its page; below /api that would mislead a client.
        Route("/api", unknown, methods=ANY_METHOD),
        Route("/api/{path:path}", unknown, methods=ANY_METHOD),
    ]
