"""What Prometheus scrapes: the model's counters, the open sessions, the process's memory.

In its text format (https://prometheus.io/docs/instrumenting/exposition_formats). Knows neither
pages nor Streamlit.
"""

from collections.abc import Iterator

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


def metrics_text(model: Predictor | None, *, sessions: int) -> bytes:
    """All metrics as they are now; without a model, those that need none."""
    registry = CollectorRegistry()
    registry.register(_Now(model, sessions))
    return generate_latest(registry)


class _Now(Collector):
    def __init__(self, model: Predictor | None, sessions: int) -> None:
        self._model = model
        self._sessions = sessions

    def collect(self) -> Iterator[Metric]:
        yield _gauge("tryout_model_ready", "1 once the model is loaded", bool(self._model))
        yield _gauge("tryout_sessions", "Open pages in browsers", self._sessions)
        memory_bytes = psutil.Process().memory_info().rss
        yield _gauge("tryout_memory_bytes", "Resident memory of the process", memory_bytes)
        if self._model:
            yield from _of_model(self._model)


def _of_model(model: Predictor) -> Iterator[Metric]:
    counters = model.counters
    yield CounterMetricFamily("tryout_predictions", "Predictions made", value=counters.done)
    reasons = "; ".join(f"{name}: {what}" for name, what in NOT_PREDICTED.items())
    errors = CounterMetricFamily(
        "tryout_errors", f"Texts that got no prediction ({reasons})", labels=["reason"]
    )
    for reason in NOT_PREDICTED:
        errors.add_metric([reason], getattr(counters, reason))
    yield errors
    yield _gauge("tryout_queue_depth", "Texts that wait for the model", model.queue_depth)
    for name, what, histogram in (
        ("tryout_queue_seconds", "How long a text waited for the model", counters.queue_s),
        ("tryout_inference_seconds", "How long a batch was computed", counters.inference_s),
        ("tryout_batch_rows", "Rows of a batch", counters.batch_rows),
        ("tryout_batch_tokens", "Padded tokens of a batch", counters.batch_tokens),
    ):
        yield _histogram(name, what, histogram)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _histogram(name: str, what: str, histogram: Histogram) -> Metric:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    made, count = [], 0
    for bound, more in zip(bounds, list(histogram.counts), strict=True):
        count += more
        made.append((bound, float(count)))
    return HistogramMetricFamily(name, what, buckets=made, sum_value=histogram.total)
