"""The probes of a host: /api/live answers at once, /api/ready once the model is loaded."""

from collections.abc import Callable
from concurrent.futures import Future

from starlette.requests import Request
from starlette.responses import JSONResponse

from model import Predictor

Loading = Callable[[], Future[Predictor]]


async def live(_request: Request) -> JSONResponse:
    """200 as soon as the port answers."""
    return JSONResponse({"status": "live"})


async def ready(loading: Loading, _request: Request) -> JSONResponse:
    """200 once the model is loaded; until then, and if it failed, 503 that says so."""
    try:
        future = loading()
    except Exception as error:  # noqa: BLE001 - a probe wants a sentence, whatever it is
        return _failed(error)
    if not future.done():
        return JSONResponse({"status": "loading"}, 503, headers={"Retry-After": "1"})
    if failure := future.exception():
        return _failed(failure)
    info = future.result().info
    return JSONResponse({"status": "ready", "model": {"id": info.id, "revision": info.revision}})


def _failed(error: BaseException) -> JSONResponse:
    return JSONResponse({"status": "failed", "error": str(error)}, 503)
