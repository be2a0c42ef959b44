"""The server that `streamlit run` starts: lifespan, routes and middleware beside the pages.

Sessions run ui/router.py.
"""

import logging
import os
import socket
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from streamlit.runtime import get_instance
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat

from errors import TryoutError
from model.machine import prepare_server
from serving.access import Access
from serving.app import routes
from serving.hangup import on_hangup
from serving.service import Service
from serving.shadow import Shadow
from settings import ROOT
from ui import shared
from ui.visit_cookie import VisitCookie

logger = logging.getLogger("tryout")


def make_service() -> tuple[Service, list[BaseRoute]]:
    """The service beside the pages, and its routes; broken settings close them until a restart."""
    try:
        settings = shared.settings()
    except TryoutError:
        service = Service(shared.loading, shared.log)
        nobody = {"name": "nobody", "sha256": "", "scopes": ()}
        return service, routes(service, sessions, access=Access([nobody]), open_exports=False)
    shadow = Shadow(**wanted) if (wanted := settings.shadow_arguments()) else None
    service = Service(shared.loading, shared.log, shadow=shadow, **settings.service_arguments())
    access = Access(**settings.access_arguments())
    return service, routes(service, sessions, access=access, **settings.route_arguments())


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Starts loading the model in the background; the port answers meanwhile."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logger.setLevel(logging.INFO)
    disable_nagle()
    prepare_server()
    if not shared.has_keys():
        logger.info("There are no keys: whoever reaches this may predict, rate and export")
    shared.loading()
    with on_hangup(shared.loader().reload):
        yield
        await to_thread(service.close)
        shared.batches().close()
        shared.explaining().shutdown(wait=False, cancel_futures=True)
        shared.challenger().close()
        shared.loader().close()


def disable_nagle() -> None:
    """Sets TCP_NODELAY on the listening sockets; accepted connections inherit it.

    asyncio sets it only on sockets made with proto=TCP, which Streamlit's is not, and without it
    every small exchange waits up to 40 ms for a delayed acknowledgement.
    """
    try:
        for connection in psutil.Process().net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.fd >= 0:
                with socket.socket(fileno=os.dup(connection.fd)) as listening:
                    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, psutil.Error) as error:
        logger.warning("TCP_NODELAY could not be set, clicks are slower: %s", error)


def sessions() -> int:
    """The number of open pages, by Streamlit's own statistics."""
    stats = get_instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY])
    return sum(stat.value for stat in stats[ACTIVE_SESSIONS_FAMILY] if isinstance(stat, GaugeStat))


service, service_routes = make_service()
app = st.App(
    ROOT / "ui" / "router.py",
    lifespan=lifespan,
    routes=service_routes,
    middleware=[Middleware(VisitCookie)],
)
