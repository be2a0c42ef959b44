"""The limits of requests, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a request may ask for, and the time that its body may take to arrive."""

    max_chars: int = 10_000  # of a text
    max_texts: int = 1000  # of a request
    max_body_bytes: int = 10_000_000
    body_timeout_s: float = 30.0
