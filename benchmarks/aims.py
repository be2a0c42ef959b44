"""The aims as ratios: a row each for the report, in bold where Tryout falls short of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import alone, feedback_page, job_names, million, remote, service
from benchmarks.results import Results
from benchmarks.running import NotMeasured
from benchmarks.servers import BATCHED, BENTOML, LITSERVE, ONE, ONNX, PLAIN, TRYOUT

Value = Callable[[str], float]  # of Tryout with one of its runtimes, by the app's name
ONLY_TORCH = (TRYOUT,)
BOTH = (TRYOUT, ONNX)


@dataclass(frozen=True, slots=True)
class Aim:
    """A limit in `unit`; `value` raises NotMeasured where there is no figure to hold to it."""

    text: str
    limit: float
    value: Value
    unit: str = "x"
    of: tuple[str, ...] = BOTH

    def row(self) -> str:
        return f"| {self.text} | {' | '.join(map(self._cell, BOTH))} |"

    def _cell(self, name: str) -> str:
        if name not in self.of:
            return ""
        try:
            got = self.value(name)
        except NotMeasured:
            return "not measured"
        shown = f"{got:,.0f} {self.unit}" if abs(got) >= 100 else f"{got:.2f} {self.unit}"
        reached = got >= self.limit if "at least" in self.text else got <= self.limit
        return shown if reached else f"**{shown}**"


def rows(results: Results) -> Iterator[str]:
    """A row of the table for each aim of the parts that there are results of."""
    for part, aims in (
        ("rooms", _rooms),
        ("rooms", _clicks_sent),
        ("browser", _clicks_drawn),
        ("offline", _offline),
        ("alone", _alone),
        ("batch", _batch),
        ("million", _million),
        ("service", _service),
        ("remote", _remote),
        ("job_run", _job_run),
        ("long_job", _long_job),
    ):
        if part in results.parts:
            for aim in aims(results):
                yield aim.row()


def better_gradio(results: Results) -> str:
    """The Gradio app that predicts more with 16 visitors."""
    rates: dict[str, float] = {}
    for name in (ONE, BATCHED):
        try:
            rates[name] = results.number("rooms", name, "16", "per_s")
        except NotMeasured:
            continue
    return max(rates, key=lambda name: rates[name], default=BATCHED)


def _rooms(results: Results) -> Iterator[Aim]:
    better = better_gradio(results)

    def against(peer: str, what: str) -> Value:
        return lambda name: (
            results.number("rooms", name, "16", what) / results.number("rooms", peer, "16", what)
        )

    text = "16 visitors: predictions/s at least"
    yield Aim(f"{text} 22 x {PLAIN}", 22, against(PLAIN, "per_s"))
    yield Aim(f"{text} 5 x {better}", 5, against(better, "per_s"))
    yield Aim(f"16 visitors: 95 of 100 within 0.25 x {better}", 0.25, against(better, "p95_ms"))
    yield Aim(f"16 visitors: memory 1 x {PLAIN} at most", 1, against(PLAIN, "memory_mb"))
    yield Aim(
        "64 visitors: no errors",
        0,
        lambda name: results.number("rooms", name, "64", "errors"),
        "errors",
    )


def _clicks_sent(results: Results) -> Iterator[Aim]:
    yield from _clicks(
        results,
        "over the protocol",
        lambda name: results.number("rooms", name, "1", "median_ms"),
    )


def _clicks_drawn(results: Results) -> Iterator[Aim]:
    yield from _clicks(
        results, "drawn in a browser", lambda name: results.number("browser", name, "median_ms")
    )


def _clicks(results: Results, where: str, ms: Value) -> Iterator[Aim]:
    def against(peer: str) -> Value:
        return lambda name: ms(name) / ms(peer)

    for limit, peer in ((1 / 8, PLAIN), (1 / 5, better_gradio(results))):
        text = f"one visitor, click {where}: {limit:.3g} x {peer} at most"
        yield Aim(text, limit, against(peer))


def _offline(results: Results) -> Iterator[Aim]:
    def rate(name: str) -> float:
        return results.number("offline", name)

    def numbers(name: str) -> str:
        """The numbers that the app computes in: bfloat16 where the trial took it."""
        if name == ONNX:
            return "onnx int8"
        try:
            rate("Model.predict, bfloat16")
        except NotMeasured:
            return "float32"
        return "bfloat16"

    def predict(name: str) -> float:
        return rate(f"Model.predict, {numbers(name)}")

    yield Aim(
        "offline: at least 4 x the pipeline one by one",
        4,
        lambda name: predict(name) / rate("pipeline, one by one"),
    )
    yield Aim(
        "offline: at least 0.9 x a bare loop in the same numbers",
        0.9,
        lambda name: predict(name) / rate(f"bare loop, {numbers(name)}"),
    )
    yield Aim(
        "the batcher's own cost for a lone text: 0.3 ms at most",
        0.3,
        lambda name: rate(f"batcher, {numbers(name)}, ms"),
        "ms",
    )


def _alone(results: Results) -> Iterator[Aim]:
    def figure(what: str) -> Value:
        return lambda name: results.number("alone", name, what)

    text = "a rerun without a prediction: 12 ms of CPU at most"
    yield Aim(text, 12, figure(alone.CPU), "ms")
    yield Aim("opening the page: 60 ms at most", 60, figure(alone.OPENING), "ms")


def _batch(results: Results) -> Iterator[Aim]:
    yield Aim(
        "beside a batch of 20,000 rows: a visitor's median 3 x alone at most",
        3,
        lambda name: results.number("batch", "beside_ms") / results.number("batch", "alone_ms"),
        of=ONLY_TORCH,
    )


def _million(results: Results) -> Iterator[Aim]:
    def slowest_answer(name: str) -> float:
        drawn = [what for what in results.figures("million") if "drawn in Chromium" in what]
        return max((results.number("million", what) for what in drawn), default=float("nan"))

    def figure(what: str) -> Value:
        return lambda name: results.number("million", what)

    for text, limit, value, unit in (
        ("the Feedback page 300 ms at most", 300, figure(feedback_page.PAGE), "ms"),
        ("any insight drawn in a browser 1,000 ms at most", 1000, slowest_answer, "ms"),
        ("the slowest insight 1,000 ms at most", 1000, figure(million.SLOWEST_INSIGHT), "ms"),
        ("the slowest filtered table 1,000 ms at most", 1000, figure(million.SLOWEST_TABLE), "ms"),
        ("storing a rating 10 ms at most", 10, figure(million.RATE), "ms"),
        ("export of at least 50,000 rows/s", 50_000, figure(million.EXPORT), "rows/s"),
    ):
        yield Aim(f"a million rows: {text}", limit, value, unit, ONLY_TORCH)


def _service(results: Results) -> Iterator[Aim]:
    def against(peer: str, what: str) -> Value:
        def ratio(name: str) -> float:
            ours, theirs = (results.number("service", each, what) for each in (name, peer))
            if not theirs:
                raise NotMeasured(f"{peer} answered nothing")
            return ours / theirs

        return ratio

    for over, times in ((service.PIPELINE, 4), (service.OURS, 1.2)):
        for peer in (f"{LITSERVE}, {over}", f"{BENTOML}, {over}"):
            text = f"service, 32 clients: requests/s at least {times} x {peer}"
            yield Aim(text, times, against(peer, "per_s"), of=ONLY_TORCH)
            text = f"service, 32 clients: 95 of 100 within 1 x {peer}"
            yield Aim(text, 1, against(peer, "p95_ms"), of=ONLY_TORCH)
    for what, times in ((service.SINGLE, 0.65), (service.MANY, 0.85)):
        yield Aim(
            f"service, {what}: texts/s at least {times} x {service.PREDICT}",
            times,
            _figure(results, "service", f"{what}, ratio"),
            of=ONLY_TORCH,
        )


def _remote(results: Results) -> Iterator[Aim]:
    for text, limit, what, unit in (
        ("a lone client: 2 ms over the call in a process at most", 2, remote.OVER, "ms"),
        ("a click with a model behind a URL: 3 ms more at most", 3, remote.MORE, "ms"),
        ("the pages without a model: 200 MB at most", 200, remote.MEMORY, "MB"),
    ):
        yield Aim(text, limit, _figure(results, "remote", what), unit, ONLY_TORCH)


def _job_run(results: Results) -> Iterator[Aim]:
    for text, limit, beside in (
        ("a job: at least 0.9 times Model.predict", 0.9, job_names.PREDICT),
        ("a job: at least 2 times a loop over pipeline and datasets", 2, job_names.LOOP),
    ):
        yield Aim(text, limit, _figure(results, "job_run", f"run / {beside}"), of=ONLY_TORCH)


def _long_job(results: Results) -> Iterator[Aim]:
    def click(name: str) -> float:
        alone, beside = (results.number("long_job", f"{of}_ms") for of in ("alone", "beside"))
        return beside / alone

    yield Aim("a click beside a long job: 3 times alone at most", 3, click, of=ONLY_TORCH)


def _figure(results: Results, part: str, what: str) -> Value:
    """The figure itself, whatever the app."""
    return lambda name: results.number(part, what)
