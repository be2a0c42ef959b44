"""RESULTS.md: a section a kind of processor; a missing figure is a reason in its cell."""

from pathlib import Path

from benchmarks.aims import better_gradio
from benchmarks.report import HEAD, section, sections_of, with_section
from benchmarks.results import Results
from benchmarks.run import RESULTS
from benchmarks.servers import BATCHED, ONE

FACTS = {"commit": "abc1234", "machine": "Some processor", "day": "2026-11-28"}


def room(per_s: float) -> dict[str, float]:
    return {"per_s": per_s, "median_ms": 20.0, "p95_ms": 30.0, "errors": 0, "memory_mb": 500.0}


def measured(tmp_path: Path) -> Results:
    results = Results(tmp_path / "results.json")
    results.begin("rooms", **FACTS)
    return results


def test_a_run_replaces_its_own_section_and_leaves_the_others() -> None:
    first = with_section("", "AVX2", "old figures\n\n### Rooms\n\n| a |\n")
    both = with_section(first, "AMX bfloat16", "of AMX")
    assert both == with_section(both, "AMX bfloat16", "of AMX")
    replaced = sections_of(with_section(both, "AVX2", "new figures"))
    assert replaced == {"AMX bfloat16": "of AMX", "AVX2": "new figures"}
    assert list(replaced) == ["AMX bfloat16", "AVX2"]


def test_another_architecture_comes_last() -> None:
    text = with_section(with_section("", "arm64", "of ARM"), "AVX2", "of AVX2")
    assert list(sections_of(text)) == ["AVX2", "arm64"]
    assert text.startswith(HEAD)


def test_the_figures_in_the_repository_are_read_back_as_they_are() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    kind, body = next(iter(sections_of(text).items()))
    assert with_section(text, kind, body) == text


def test_what_failed_or_was_too_slow_has_its_reason_in_the_table(tmp_path: Path) -> None:
    results = measured(tmp_path)
    results.add("rooms", "Tryout", {"16": room(40), "64": "too slow: 3 of 64 visitors"})
    results.add("rooms", "plain Streamlit", {"16": room(4)})
    results.add("rooms", "Gradio", "failed: not installed")
    results.end("rooms")
    text = section(results, "AVX2")
    assert "| Tryout | 64 | too slow: 3 of 64 visitors |  |  |  |  |" in text
    assert "| Gradio |  | failed: not installed |  |  |  |  |" in text
    assert "22 x plain Streamlit | **10.00 x** | not measured |" in text
    assert "64 visitors: no errors | not measured | not measured |" in text


def test_parts_that_were_not_measured_are_left_out(tmp_path: Path) -> None:
    results = measured(tmp_path)
    results.end("rooms")
    text = section(results, "AVX2")
    assert "### Rooms of visitors" in text
    assert "million" not in text


def test_a_skipped_dtype_is_shown_and_the_aims_take_the_other(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    results.begin("offline", **FACTS)
    for name, figure in (
        ("pipeline, one by one", 100.0),
        ("Model.predict, float32", 450.0),
        ("bare loop, float32", 450.0),
        ("batcher, float32, ms", 0.1),
        ("Model.predict, bfloat16", "skipped: 0.2 times the speed"),
    ):
        results.add("offline", name, figure)
    text = section(results, "AVX2")
    assert "| Model.predict, float32 | 450 | 4.5 |" in text
    assert "| Model.predict, bfloat16 | skipped: 0.2 times the speed |  |" in text
    assert "4 x the pipeline one by one | 4.50 x | not measured |" in text
    assert "interrupted" in text


def test_one_app_that_failed_leaves_the_figures_of_the_other(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    results.begin("alone", **FACTS)
    results.add("alone", "Tryout", "failed: it ended")
    results.add("alone", "Tryout, onnx int8", {"CPU of such a rerun": 5.0})
    text = section(results, "AVX2")
    assert "| CPU of such a rerun | failed: it ended | 5.0 ms |" in text
    results.add("alone", "Tryout, onnx int8", "failed: too")
    assert "|  | failed: it ended | failed: too |" in section(results, "AVX2")


def test_the_better_gradio_is_the_one_that_predicts_more(tmp_path: Path) -> None:
    results = measured(tmp_path)
    assert better_gradio(results) == BATCHED
    results.add("rooms", ONE, {"16": room(40)})
    assert better_gradio(results) == ONE
    results.add("rooms", BATCHED, {"16": room(90)})
    assert better_gradio(results) == BATCHED


def test_servers_and_shares_of_predict_have_tables_of_their_own(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    results.begin("service", **FACTS)
    single = "one text a request"
    rates = {single: 120.0, f"Model.predict, beside {single}": 150.0, f"{single}, ratio": 0.8}
    for name, rate in rates.items():
        results.add("service", name, rate)
    results.add("service", "Tryout", room(120))
    results.add("service", "LitServe, our Model", room(60))
    results.add("service", "BentoML, our Model", "failed: not installed")
    results.end("service")
    text = section(results, "AVX2")
    assert "| one text a request | 120 | 150 | 0.80 |" in text
    assert "| Tryout | 120.0 | 20 ms | 30 ms | 0 |" in text
    assert "| BentoML, our Model | failed: not installed |  |  |  |" in text
    assert "requests/s at least 1.2 x LitServe, our Model | 2.00 x |" in text
    assert "texts/s at least 0.65 x Model.predict | 0.80 x |" in text
    assert "texts/s at least 0.85 x Model.predict | not measured |" in text
