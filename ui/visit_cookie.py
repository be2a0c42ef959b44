"""ASGI middleware that gives each browser a random id for the time it stays open.

It tells anonymous reviewers apart and lets a reload find the visitor's own ratings. It is not a
login.
"""

import re
import secrets
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "tryout_visit"
CONDITIONS = (b"if-none-match", b"if-modified-since")
_VISIT_ID = re.compile(r"[0-9a-f]{16}")


def is_visit_id(value: str) -> bool:
    """True if `value` has the form of an id made here; a browser can send anything."""
    return _VISIT_ID.fullmatch(value) is not None


class VisitCookie:
    """Sets the cookie on an HTML page that is asked for without it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _has_cookie(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return

        # The cached page would answer "not modified" and bring no cookie.
        headers = [pair for pair in scope["headers"] if pair[0] not in CONDITIONS]
        scope = {**scope, "headers": headers}

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append(
                        "set-cookie",
                        f"{COOKIE}={secrets.token_hex(8)}; Path=/; HttpOnly; SameSite=Lax",
                    )
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _has_cookie(headers: Headers) -> bool:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return False
    return COOKIE in cookies and is_visit_id(cookies[COOKIE].value)
