"""Clients at the door: the key of an HTTP request, and the name of it for the request's line.

Knows no format and no route.
"""

from starlette.requests import Request

from serving.access import Access, Caller, Scope


def admit(request: Request, access: Access, scope: Scope, *, closed: bool = False) -> None:
    """Raises Unauthorized, Forbidden or RateLimited unless the client may do this now.

    The name of its key goes into the line of the request.
    """
    request.state.key = access.admit(*_caller(request), scope, closed=closed)


def let_in(request: Request, access: Access) -> Caller:
    """The client, whatever its key may do; raises Unauthorized or RateLimited."""
    caller = access.let_in(*_caller(request))
    request.state.key = caller.name
    return caller


def _caller(request: Request) -> tuple[str, str]:
    """The header with the key, and the address."""
    address = request.client.host if request.client else ""
    return request.headers.get("authorization", ""), address
