"""The parts of `make bench`, in the order of the report; each gives its figures as they come.

A part is a generator of pairs: a key and its value, which is a number, figures by name, or a
sentence that says why there are none. A key may come again with further figures.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import service
from benchmarks.running import NotMeasured, done, figures, guarded, outcome
from benchmarks.servers import (
    EXPORT_S,
    ONNX,
    TRYOUT,
    App,
    Server,
    apps,
    first_prediction,
    tryout,
    tryout_service,
)

Pairs = Iterator[tuple[str, Any]]
ROOM_S = 150  # a room that opens and closes as slowly as benchmarks.load allows
BROWSER_S = 180
ALONE_S = 180
OFFLINE_S = 600
MILLION_S = 900
FEEDBACK_S = 300
BATCH_S = 600
REMOTE_S = 300
JOBS_S = 900
JOB_RUN_S = 900
LONG_JOB_S = 1800


@dataclass(frozen=True, slots=True)
class Sizes:
    """The number of each thing that is measured, and the seconds that a room is."""

    seconds: float = 6
    visitors: Sequence[int] = (1, 8, 16, 64)
    clicks: int = 200
    browser_clicks: int = 40
    texts: int = 600
    log_rows: int = 1_000_000
    job_rows: int = 1_000_000
    long_rows: int = 500_000
    batch_rows: int = 20_000
    batch_clicks: int = 40


QUICK = Sizes(
    seconds=1,
    visitors=(1, 4),
    clicks=10,
    browser_clicks=4,
    texts=60,
    log_rows=20_000,
    job_rows=100_000,
    long_rows=20_000,
    batch_rows=2_000,
    batch_clicks=3,
)


@dataclass(slots=True)
class Bench:
    """The state of a run: sizes, a folder that is deleted afterwards, and the export to ONNX."""

    folder: Path
    sizes: Sizes
    _export: Path | str | None = field(default=None, init=False)

    @property
    def apps(self) -> list[App]:
        return apps(self.folder, self.export)

    def export(self) -> Path:
        """The folder of the model as an int8 ONNX graph; the first call writes it.

        Raises NotMeasured if it could not be written, also when it is asked for again.
        """
        if self._export is None:
            folder = self.folder / "onnx"
            options = ("--int8", "--out", str(folder))
            failed = outcome(partial(done, "model.export", *options, limit_s=EXPORT_S))
            self._export = f"no ONNX export, {failed}" if failed else folder
        if isinstance(self._export, str):
            raise NotMeasured(self._export)
        return self._export


def rooms(bench: Bench) -> Pairs:
    """Visitors who click without a pause, in rooms of several sizes, at Tryout and its peers."""
    for app in bench.apps:
        yield from guarded(app.name, _rooms_of(app, bench.sizes))


def _rooms_of(app: App, sizes: Sizes) -> Pairs:
    with app.start() as server:
        first_prediction(app.kind, server)
        last: dict[str, Any] | str = {}
        for visitors in sizes.visitors:
            if isinstance(last, str):
                last = "skipped: a smaller room had no figures"
            else:
                last = outcome(partial(room, app.kind, server, visitors, sizes.seconds))
            yield app.name, {str(visitors): last}


def room(kind: str, server: Server, visitors: int, seconds: float) -> dict[str, Any]:
    """Predictions a second, latencies in ms, and the memory in MB that the server then has."""
    limit_s = seconds + ROOM_S
    arguments = (kind, server.url, str(visitors), str(seconds))
    measured = figures("benchmarks.load", *arguments, limit_s=limit_s)
    return measured | {"memory_mb": server.memory_mb}


def browser(bench: Bench) -> Pairs:
    """A visitor in Chromium: from the start to the first prediction, from a click to its card."""
    for app in bench.apps:
        yield from guarded(app.name, _browser_of(app, bench.sizes))


def _browser_of(app: App, sizes: Sizes) -> Pairs:
    started_s = time.perf_counter()
    with app.start() as server:
        first_prediction(app.kind, server)
        yield app.name, {"first_s": time.perf_counter() - started_s}
        drawn = outcome(partial(clicks_drawn, app.kind, server, sizes.browser_clicks))
        yield app.name, drawn if isinstance(drawn, dict) else {"median_ms": drawn}


def clicks_drawn(kind: str, server: Server, clicks: int) -> dict[str, Any]:
    """Milliseconds from a click in Chromium to the frame that shows its prediction."""
    arguments = (kind, server.url, str(clicks))
    return figures("benchmarks.browser", *arguments, limit_s=BROWSER_S)


def alone(bench: Bench) -> Pairs:
    """A visitor over the protocol, nobody beside: clicks, reruns, openings of the page."""
    for app in bench.apps:
        if app.name in (TRYOUT, ONNX):
            yield from guarded(app.name, _alone_at(app, bench.sizes))


def _alone_at(app: App, sizes: Sizes) -> Pairs:
    with app.start() as server:
        arguments = (server.url, str(server.pid), str(sizes.clicks))
        yield app.name, figures("benchmarks.alone", *arguments, limit_s=ALONE_S)


def offline(bench: Bench) -> Pairs:
    """Texts a second without a server; bfloat16 where the model's own trial takes it."""
    export = outcome(bench.export)
    arguments = (str(bench.sizes.texts), str(export) if isinstance(export, Path) else "")
    yield from figures("benchmarks.offline", *arguments, limit_s=OFFLINE_S).items()
    if isinstance(export, str):
        yield "Model.predict, onnx int8", export


def million(bench: Bench) -> Pairs:
    """A log of a million predictions: questions, filters, storing, export, the Feedback page."""
    log = bench.folder / "million.db"
    arguments = (str(log), str(bench.sizes.log_rows))
    yield from figures("benchmarks.million", *arguments, limit_s=MILLION_S).items()
    with tryout(log) as server:
        yield from feedback_page(server).items()


def feedback_page(server: Server) -> dict[str, Any]:
    """Milliseconds of the Feedback page, and of each of its answers drawn in Chromium."""
    return figures("benchmarks.feedback_page", server.url, limit_s=FEEDBACK_S)


def batch(bench: Bench) -> Pairs:
    """A visitor who thinks between clicks, alone and beside a batch of 20,000 rows."""
    sizes = bench.sizes
    with tryout(bench.folder / "log.db") as server:
        arguments = (server.url, str(sizes.batch_rows), str(sizes.batch_clicks))
        yield from figures("benchmarks.batch", *arguments, limit_s=BATCH_S).items()


def clients(bench: Bench) -> Pairs:
    """Clients of the service beside Model.predict, and beside LitServe and BentoML; needs wrk."""
    together = service.beside_predict(bench.folder, bench.sizes.seconds)
    yield from guarded(service.PREDICT, together)
    for server in service.servers(bench.folder):
        yield from guarded(
            server.name, service.under_load(server, bench.folder, bench.sizes.seconds)
        )


def behind_url(bench: Bench) -> Pairs:
    """The cost of a model behind a URL: a click, a lone request, the memory of the pages."""
    log = bench.folder / "remote.db"
    with (
        tryout_service(bench.folder / "served.db") as server,
        tryout(bench.folder / "log.db") as local,
        tryout(log, url=server.url) as there,
    ):
        for app in (local, there):
            first_prediction("tryout", app)
        arguments = (server.url, local.url, there.url, str(there.pid), str(bench.sizes.clicks))
        yield from figures("benchmarks.remote", *arguments, limit_s=REMOTE_S).items()


def jobs(bench: Bench) -> Pairs:
    """A log with a million predictions of a job: storing, lookups, the pages' questions."""
    arguments = (f"sqlite:///{bench.folder / 'jobs.db'}", str(bench.sizes.job_rows))
    yield from figures("benchmarks.jobs_log", *arguments, limit_s=JOBS_S).items()


def job_run(bench: Bench) -> Pairs:
    """A job of 20,000 rows beside Model.predict and a loop over transformers' pipeline."""
    arguments = (str(bench.sizes.batch_rows), str(bench.folder))
    yield from figures("benchmarks.job_run", *arguments, limit_s=JOB_RUN_S).items()


def long_job(bench: Bench) -> Pairs:
    """A visitor beside a job with a fake predictor on the same log; the memory of the job."""
    log = bench.folder / "long.db"
    sizes = bench.sizes
    with tryout(log) as server:
        first_prediction("tryout", server)
        arguments = (str(sizes.long_rows), str(bench.folder), server.url, f"sqlite:///{log}")
        yield from figures(
            "benchmarks.long_job", *arguments, str(sizes.batch_clicks), limit_s=LONG_JOB_S
        ).items()


PARTS: dict[str, Callable[[Bench], Pairs]] = {
    "rooms": rooms,
    "browser": browser,
    "alone": alone,
    "offline": offline,
    "million": million,
    "batch": batch,
    "service": clients,
    "remote": behind_url,
    "jobs": jobs,
    "job_run": job_run,
    "long_job": long_job,
}
