"""The probes of a host: /api/live answers at once, /api/ready once the model is loaded."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from jobs.loader import LOADING, reason_of
from serving.service import Service


async def live(_request: Request) -> JSONResponse:
    """200 as soon as the port answers."""
    return JSONResponse({"status": "live"})


async def ready(service: Service, _request: Request) -> JSONResponse:
    """200 once the model is loaded; before, if it failed, and while the process ends, 503."""
    if service.is_stopping:
        return JSONResponse({"status": "stopping"}, 503)
    try:
        future = service.loading()
        if not future.done():
            reason = reason_of(future)
            why = {} if reason == LOADING else {"error": reason}
            headers = {"Retry-After": "1"}
            return JSONResponse({"status": "loading"} | why, 503, headers)
        info = future.result().info
    except Exception as error:  # noqa: BLE001 - a probe wants a sentence, whatever it is
        return JSONResponse({"status": "failed", "error": str(error)}, 503)
    return JSONResponse({"status": "ready", "model": {"id": info.id, "revision": info.revision}})
