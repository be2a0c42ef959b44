"""Requests of all formats, over HTTP and gRPC: their counts, and their lines in the log.

Knows neither HTTP nor gRPC.
"""

import logging
from dataclasses import dataclass, field

requests_log = logging.getLogger("tryout.requests")

API_VERSION = "1"


@dataclass(slots=True)
class RequestCounts:
    """The requests so far, by format and status: that of HTTP, or the name of gRPC's code."""

    counts: dict[tuple[str, int | str], int] = field(default_factory=dict)

    def add(self, format_name: str, status: int | str) -> None:
        key = (format_name, status)
        self.counts[key] = self.counts.get(key, 0) + 1


def log_request(
    *,
    method: str,
    path: str,
    format_name: str,
    status: int | str,
    took_s: float,
    traceparent: str,
    key: str,
) -> None:
    """Writes a request's line, as fields with names; never a text of the client's."""
    requests_log.info(
        "method=%s path=%s format=%s status=%s ms=%.1f trace=%s key=%s",
        method,
        path,
        format_name,
        status,
        took_s * 1000,
        trace_id(traceparent),
        key or "-",
    )


def trace_id(traceparent: str) -> str:
    """The trace id of `traceparent` (https://www.w3.org/TR/trace-context/), "-" without one."""
    parts = traceparent.split("-")
    is_valid = len(parts) >= 4 and len(parts[1]) == 32 and parts[1].isalnum() and parts[1].isascii()
    return parts[1] if is_valid else "-"
