"""Metrics for Prometheus: the model's counters, the open sessions, the process's memory.

In its text format (https://prometheus.io/docs/instrumenting/exposition_formats). Knows neither
pages nor Streamlit.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from model import Predictor
from model.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NOT_PREDICTED = {
    "failed": "in the forward pass or after it",
    "rejected": "as the queue was full",
    "expired": "after waiting too long",
    "cancelled": "by who asked, before their turn",
}


def metrics_text(
    model: Predictor | None,
    *,
    sessions: int,
    requests: Mapping[tuple[str, int | str], int] | None = None,
    unstored: int = 0,
    refused: int = 0,
    shadow: Mapping[str, int] | None = None,
) -> bytes:
    """All metrics as they are now; without a model, those that need none.

    `requests` are the requests so far by format and status, `unstored` the predictions that
    wait for the log, `refused` those that it did not take, `shadow` the texts of the challenger by
    what became of them.
    """
    registry = CollectorRegistry()
    registry.register(_Now(model, sessions, requests or {}, unstored, refused, shadow or {}))
    return generate_latest(registry)


class _Now(Collector):
    def __init__(
        self,
        model: Predictor | None,
        sessions: int,
        requests: Mapping[tuple[str, int | str], int],
        unstored: int,
        refused: int,
        shadow: Mapping[str, int],
    ) -> None:
        self._model = model
        self._sessions = sessions
        self._requests = requests
        self._unstored = unstored
        self._refused = refused
        self._shadow = shadow

    def collect(self) -> Iterator[Metric]:
        yield _gauge("tryout_model_ready", "1 once the model is loaded", bool(self._model))
        yield _gauge("tryout_sessions", "Open pages in browsers", self._sessions)
        memory_bytes = psutil.Process().memory_info().rss
        yield _gauge("tryout_memory_bytes", "Resident memory of the process", memory_bytes)
        yield _gauge("tryout_unstored", "Predictions that wait for the log", self._unstored)
        yield CounterMetricFamily(
            "tryout_refused_by_log", "Predictions that the log did not take", value=self._refused
        )
        requests = CounterMetricFamily(
            "tryout_requests", "Requests for predictions", labels=["format", "status"]
        )
        for (wire, status), number in self._requests.items():
            requests.add_metric([wire, str(status)], number)
        yield requests
        if self._shadow:
            shadow = CounterMetricFamily(
                "tryout_shadow",
                "Texts that were drawn for the challenger (dropped: as there was much to do)",
                labels=["result"],
            )
            for result, number in self._shadow.items():
                shadow.add_metric([result], number)
            yield shadow
        if self._model:
            yield from _of_model(self._model)


def _of_model(model: Predictor) -> Iterator[Metric]:
    counters = model.counters
    yield CounterMetricFamily("tryout_predictions", "Predictions made", value=counters.done)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in NOT_PREDICTED.items())
    errors = CounterMetricFamily(
        "tryout_errors", f"Texts that got no prediction ({reasons})", labels=["reason"]
    )
    for reason in NOT_PREDICTED:
        errors.add_metric([reason], getattr(counters, reason))
    yield errors
    yield _gauge("tryout_queue_depth", "Texts that wait for the model", model.queue_depth)
    for name, meaning, histogram in (
        ("tryout_queue_seconds", "Time that a text waited for the model", counters.queue_s),
        ("tryout_inference_seconds", "Time that a batch was computed", counters.inference_s),
        ("tryout_batch_rows", "Rows of a batch", counters.batch_rows),
        ("tryout_batch_tokens", "Padded tokens of a batch", counters.batch_tokens),
    ):
        yield _histogram(name, meaning, histogram)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _histogram(name: str, meaning: str, histogram: Histogram) -> Metric:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    counts = accumulate(list(histogram.counts))  # Prometheus counts all up to a bound
    buckets = [(bound, float(count)) for bound, count in zip(bounds, counts, strict=True)]
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=histogram.total)
