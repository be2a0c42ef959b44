"""Measures Tryout beside the usual ways to demo a model, and writes benchmarks/RESULTS.md.

All in one go on one machine, one after the other: the same model, the same real texts, visitors
who click without a pause over each server's own protocol.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.texts import texts
from benchmarks.visitor import Visitor
from settings import ROOT
from tests.browser.conftest import serving
from tests.conftest import free_port

RESULTS = Path(__file__).parent / "RESULTS.md"
GRADIO = ROOT / ".cache" / "gradio" / "bin" / "python"
SECONDS = 10
CLICKS = 200
WARM_UP = 20
Table = dict[str, dict[int, dict[str, Any]]]


def main() -> None:
    measured: Table = {}
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.perf_counter()
        with serving(Path(folder, "log.db"), port=free_port()) as url:
            with Visitor(url) as visitor:
                visitor.predict("The first prediction waits for the model.")
                first_s = time.perf_counter() - started_s
            one = lone_visitor(url)
            measured["Tryout"] = {n: load("tryout", url, n) for n in (1, 8, 16, 32, 64)}
        with peer("plain_streamlit", folder) as url:
            measured["plain Streamlit"] = {n: load("plain", url, n) for n in (1, 16)}
        with peer("gradio_app", folder) as url:
            measured["Gradio"] = {n: load("gradio", url, n) for n in (1, 16)}
        with peer("gradio_app", folder, BATCH="16") as url:
            measured["Gradio, batch=True"] = {n: load("gradio", url, n) for n in (1, 16)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.offline"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    text = report(measured, one, json.loads(done.stdout.splitlines()[-1]), first_s)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


def lone_visitor(url: str) -> dict[str, list[float]]:
    """Milliseconds of one visitor's clicks: to the card, to the end, and of reruns without one."""
    every = texts(WARM_UP + CLICKS)
    with Visitor(url) as visitor:
        clicks = [visitor.predict(text) for text in every][WARM_UP:]
        reruns = [visitor.rerun() for _ in range(CLICKS)]
    return {
        "click on Predict to the card": [card for card, _ in clicks],
        "click on Predict to the end of the run, prediction stored": [end for _, end in clicks],
        "a rerun without a prediction": reruns,
    }


def load(kind: str, url: str, visitors: int) -> dict[str, Any]:
    """What benchmarks.load measures, in a process of its own, and the server's memory after it."""
    arguments = ["-m", "benchmarks.load", kind, url, str(visitors), str(SECONDS)]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=300
    )
    servers = psutil.Process().children()
    memory_mb = max(server.memory_info().rss for server in servers) / 1e6
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured | {"memory_mb": memory_mb}


@contextmanager
def peer(name: str, folder: str, **environment: str) -> Iterator[str]:
    """One of benchmarks/peers as its documentation starts it, until it answers; its URL."""
    port, script = free_port(), str(ROOT / "benchmarks" / "peers" / f"{name}.py")
    command = [str(GRADIO), script]
    if name == "plain_streamlit":
        options = [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
        command = [sys.executable, "-m", "streamlit", "run", script, *options]
    ours = {"PEER_MODEL": str(ROOT / "model" / "bundled"), "PORT": str(port)}
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | ours | environment, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def report(
    measured: Table, one: dict[str, list[float]], offline: dict[str, float], first_s: float
) -> str:
    ours, rows = measured["Tryout"], []
    for name, by_visitors in measured.items():
        for visitors, got in by_visitors.items():
            ratio = ""
            if name != "Tryout":
                ratio = f"{ours[visitors]['per_s'] / got['per_s']:.1f}"
            rows.append(
                f"| {name} | {visitors} | {got['per_s']:.1f} | {ratio} | {got['median_ms']:.0f} ms "
                f"| {got['p95_ms']:.0f} ms | {got['errors']} | {got['memory_mb']:.0f} MB |"
            )
    slowest = offline["pipeline, one by one"]
    return "\n".join(
        [
            "# Measured",
            "",
            f"`make bench` on {machine()}, Python {platform.python_version()} and the versions in",
            "requirements.txt; Gradio 6.31.0. The bundled model, the same real texts (tweets,",
            "reviews, newspaper sentences), visitors who click Predict without a pause over each",
            "server's own protocol, from a process on the same machine: it takes its share of the",
            "cores. What a browser spends on drawing is not in it. Tryout also stores each",
            "prediction durably and shows the rating form; the others do neither.",
            "",
            "| app | visitors | predictions/s | Tryout is faster by | median | 95 of 100 | errors "
            "| memory |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "| one visitor of Tryout who thinks between clicks | median | 95 of 100 |",
            "| --- | --- | --- |",
            *(row(what, times_ms) for what, times_ms in one.items()),
            "",
            f"From start to a first prediction {first_s:.1f} s.",
            "",
            "| 600 texts without a server | texts/s | against one by one |",
            "| --- | --- | --- |",
            *(f"| {n} | {rate:.0f} | {rate / slowest:.1f} |" for n, rate in offline.items()),
            "",
        ]
    )


def row(what: str, times_ms: list[float]) -> str:
    p95 = statistics.quantiles(times_ms, n=20)[-1]
    return f"| {what} | {statistics.median(times_ms):.1f} ms | {p95:.1f} ms |"


def machine() -> str:
    """The processor, its cores and memory."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    memory_gb = psutil.virtual_memory().total / 2**30
    return f"{name}, {os.cpu_count()} cores, {memory_gb:.0f} GB"


if __name__ == "__main__":
    main()
