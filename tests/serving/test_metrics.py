"""The metrics of a predictor in the text that Prometheus reads."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.metrics import NOT_PREDICTED, metrics_text
from tests.helpers.predictor import FakePredictor


@pytest.fixture
def predictor() -> FakePredictor:
    made = FakePredictor()
    made.load()
    return made


def samples(predictor: FakePredictor | None, *, sessions: int = 0) -> dict[tuple[str, ...], float]:
    """The value of each metric by its name and the values of its labels."""
    text = metrics_text(predictor, sessions=sessions).decode("utf-8")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_without_a_model_there_are_sessions_and_memory() -> None:
    metrics = samples(None, sessions=3)
    assert metrics.pop(("tryout_memory_bytes",)) > 10**7
    assert metrics == {
        ("tryout_model_ready",): 0,
        ("tryout_sessions",): 3,
        ("tryout_unstored",): 0,
        ("tryout_refused_by_log_total",): 0,
    }


def test_requests_are_counted_by_format_and_status() -> None:
    text = metrics_text(None, sessions=0, requests={("native", 200): 3, ("native", 422): 1})
    assert b'tryout_requests_total{format="native",status="200"} 3.0' in text
    assert b'tryout_requests_total{format="native",status="422"} 1.0' in text


def test_predictions_and_each_reason_for_none_are_counted(predictor: FakePredictor) -> None:
    predictor.predict(["a good day", "a bad day"])
    counters = predictor.counters
    counters.failed, counters.rejected, counters.expired, counters.cancelled = 1, 2, 3, 4
    metrics = samples(predictor)
    assert metrics["tryout_model_ready",] == 1
    assert metrics["tryout_predictions_total",] == 2
    counted = [metrics["tryout_errors_total", reason] for reason in NOT_PREDICTED]
    assert dict(zip(NOT_PREDICTED, counted, strict=True)) == {
        "failed": 1,
        "rejected": 2,
        "expired": 3,
        "cancelled": 4,
    }


def test_a_bucket_has_all_values_up_to_its_bound(predictor: FakePredictor) -> None:
    for rows in (1, 2, 2, 3, 10**9):
        predictor.counters.batch_rows.add(rows)
    metrics = samples(predictor)
    up_to = {bound: metrics["tryout_batch_rows_bucket", bound] for bound in "124"}
    assert up_to == {"1": 1, "2": 3, "4": 4}
    assert metrics["tryout_batch_rows_bucket", "+Inf"] == 5
    assert metrics["tryout_batch_rows_count",] == 5
    assert metrics["tryout_batch_rows_sum",] == 8 + 10**9
