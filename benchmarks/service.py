"""Clients of the service: requests a second beside Model.predict, and beside the usual servers.

The load is that of wrk (https://github.com/wg/wrk), with kept connections and real texts.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.running import TOO_SLOW, NotMeasured
from benchmarks.servers import (
    BENTOML,
    LITSERVE,
    TRYOUT,
    Server,
    bentoml,
    litserve,
    tryout_service,
)
from benchmarks.sides import AFTER, Side, predicting
from benchmarks.texts import texts
from model.batching import PRESENT_S
from settings import ROOT

LUA = Path(__file__).parent / "wrk.lua"
CLIENTS = 32
WARM_UP_S = 2.0
ROUNDS = 3
LATEST_S = 30  # an answer that takes longer is an error
COUNT = 600
TOGETHER = 16  # texts of a request
PIPELINE, OURS = "the pipeline", "our Model"
PREDICT, SINGLE, MANY = "Model.predict", "one text a request", f"{TOGETHER} texts a request"
NATIVE = "/api/predictions"
SERVERS = (
    TRYOUT,
    *(f"{peer}, {over}" for peer in (LITSERVE, BENTOML) for over in (PIPELINE, OURS)),
)
Body = Callable[[Sequence[str]], Any]


@dataclass(frozen=True, slots=True)
class Answering:
    """A server by its name in the report, the path that it answers, and the body of a text."""

    name: str
    start: Callable[[], AbstractContextManager[Server]]
    path: str
    body: Body


def servers(folder: Path) -> list[Answering]:
    """The service, and LitServe and BentoML each over the pipeline and over our Model."""
    over = {PIPELINE: {}, OURS: {"OURS": "1"}}
    return [
        Answering(TRYOUT, partial(tryout_service, folder / "service.db"), NATIVE, _of_texts),
        *(
            Answering(
                f"{LITSERVE}, {what}", partial(litserve, folder, **more), "/predict", _of_text
            )
            for what, more in over.items()
        ),
        *(
            Answering(f"{BENTOML}, {what}", partial(bentoml, folder, **more), "/predict", _of_texts)
            for what, more in over.items()
        ),
    ]


def under_load(server: Answering, folder: Path, seconds: float) -> Iterator[tuple[str, Any]]:
    """Requests a second of 32 clients, a text each, and their latencies in ms."""
    with server.start() as started:
        bodies = bodies_of(server.body, folder, texts_a_request=1)
        url = started.url + server.path
        wrk(url, bodies, clients=CLIENTS, seconds=WARM_UP_S)
        yield server.name, wrk(url, bodies, clients=CLIENTS, seconds=seconds)


def beside_predict(folder: Path, seconds: float) -> Iterator[tuple[str, Any]]:
    """Texts a second of the service with 16 texts and with one a request, and of Model.predict.

    In turns; the ratio is the median of those of each turn. The requests of many texts come first:
    their batches are small for half a minute after a text that came alone, or the start.
    """
    here = Side(AFTER, ROOT, sys.executable, folder)
    with tryout_service(folder / "service.db") as server, predicting(here, TRYOUT) as model:
        started_s = time.monotonic()
        for name, number in ((MANY, TOGETHER), (SINGLE, 1)):
            bodies = bodies_of(_of_texts, folder, texts_a_request=number)
            ask = partial(wrk, server.url + NATIVE, bodies, clients=CLIENTS)
            ask(seconds=WARM_UP_S)
            time.sleep(max(0, PRESENT_S - (time.monotonic() - started_s)))
            pairs = []
            for _ in range(ROUNDS):
                offline, got = model.texts_per_s(), ask(seconds=seconds)
                if got["errors"]:
                    raise NotMeasured(f"failed: {got['errors']} requests failed")
                pairs.append((got["per_s"] * number, offline))
            yield name, median(served for served, _ in pairs)
            yield f"{PREDICT}, beside {name}", median(offline for _, offline in pairs)
            yield f"{name}, ratio", median(served / offline for served, offline in pairs)


def _of_text(some: Sequence[str]) -> Any:
    return {"text": some[0]}


def _of_texts(some: Sequence[str]) -> Any:
    return {"texts": list(some)}


def bodies_of(body: Body, folder: Path, *, texts_a_request: int) -> Path:
    """A file with a request's body a line, of all real texts, so many in each."""
    some = texts(COUNT)
    starts = range(0, COUNT - COUNT % texts_a_request, texts_a_request)
    lines = [json.dumps(body(some[start : start + texts_a_request])) for start in starts]
    file = folder / f"{body.__name__}-{texts_a_request}.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def wrk(url: str, bodies: Path, *, clients: int, seconds: float) -> dict[str, float]:
    """Requests a second, the median and 95 % of the latencies in ms, and the errors."""
    command = shutil.which("wrk")
    if not command:
        raise NotMeasured("failed: wrk is not installed")
    options = ["-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", f"--timeout={LATEST_S}s"]
    done = subprocess.run(
        [command, *options, "-s", str(LUA), url, "--", str(bodies)],
        capture_output=True,
        text=True,
        timeout=seconds + 2 * LATEST_S,
        check=False,
    )
    if done.returncode:
        raise NotMeasured(f"failed: {done.stderr.strip()[:200]}")
    got: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if not got["requests"]:
        raise NotMeasured(f"{TOO_SLOW}: no answer within {seconds:.0f} s")
    answered = got.pop("requests") - got["errors"]
    return {"per_s": answered / got.pop("seconds")} | got
