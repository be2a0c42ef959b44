"""Measures Tryout beside the usual ways to demo a model, and writes benchmarks/RESULTS.md.

All in one go on one machine, one after the other: the same model, the same real texts, visitors
who click without a pause over each server's own protocol, and one in a real browser.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.load import connected
from benchmarks.report import BATCHED, ONE, ONNX, PLAIN, TRYOUT, Figures, report
from benchmarks.texts import texts
from benchmarks.visitor import Visitor
from settings import ROOT
from tests.helpers.server import free_port, serving

RESULTS = Path(__file__).parent / "RESULTS.md"
GRADIO = ROOT / ".cache" / "gradio" / "bin" / "python"
SECONDS = 6
CLICKS = 200
WARM_UP = 20
VISITORS = (1, 8, 16, 32, 64)
Start = Callable[[], AbstractContextManager[str]]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder, "onnx")
        run("-m", "model.export", "--int8", "--out", str(export))
        apps: dict[str, tuple[str, Start]] = {
            TRYOUT: ("tryout", partial(tryout, folder)),
            ONNX: (
                "tryout",
                partial(tryout, folder, TRYOUT_MODEL__ID=str(export), TRYOUT_MODEL__RUNTIME="onnx"),
            ),
            PLAIN: ("plain", partial(peer, "plain_streamlit", folder)),
            ONE: ("gradio", partial(peer, "gradio_app", folder)),
            BATCHED: ("gradio", partial(peer, "gradio_app", folder, BATCH="16")),
        }
        measured = {name: measure(kind, start) for name, (kind, start) in apps.items()}
        alone = {name: lone_visitor(apps[name][1]) for name in (TRYOUT, ONNX)}
        offline = run("-m", "benchmarks.offline", str(export))
        log = Path(folder, "million.db")
        million = run("-m", "benchmarks.million", str(log))
        million |= feedback_page(log)
        with tryout(folder) as url:
            batch = run("-m", "benchmarks.batch", url)
    text = report(measured, alone, offline, million, batch)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


# --- servers --------------------------------------------------------------------------------------


def tryout(folder: str, **environment: str) -> AbstractContextManager[str]:
    return serving(Path(folder, "log.db"), port=free_port(), **environment)


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


def server() -> psutil.Process:
    """The one server that is running."""
    (process,) = psutil.Process().children()
    return process


# --- measuring ------------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    """A measurement in a process of its own: what it prints last, if that is JSON."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=600
    )
    last = done.stdout.splitlines()[-1]
    return json.loads(last) if last.startswith(b"{") else None


def measure(kind: str, start: Start) -> Figures:
    """Of one app: seconds to the first prediction, the browser's click, and rooms of visitors."""
    started_s = time.perf_counter()
    with start() as url:
        with connected(kind, url) as click:
            click("The first prediction waits for the model.")
        first_s = time.perf_counter() - started_s
        rooms = {}
        for visitors in VISITORS:
            rooms[visitors] = run("-m", "benchmarks.load", kind, url, str(visitors), str(SECONDS))
            rooms[visitors]["memory_mb"] = server().memory_info().rss / 1e6
        browser = run("-m", "benchmarks.browser", kind, url)
    return {"first_s": first_s, "rooms": rooms, "browser": browser}


def lone_visitor(start: Start) -> Figures:
    """One visitor who thinks between clicks, in ms: predictions, reruns, new pages."""
    every = texts(WARM_UP + CLICKS)
    with start() as url:
        with Visitor(url) as visitor:
            clicks = [visitor.predict(text) for text in every][WARM_UP:]
            before = server().cpu_times()
            reruns = [visitor.rerun() for _ in range(CLICKS)]
            after = server().cpu_times()
        openings = [opening_ms(url) for _ in range(WARM_UP)]
    cpu_s = after.user + after.system - before.user - before.system
    return {
        "click on Predict to the card": statistics.median(card for card, _ in clicks),
        "click on Predict to the end of the run, prediction stored": statistics.median(
            end for _, end in clicks
        ),
        "a rerun without a prediction": statistics.median(reruns),
        "CPU of such a rerun": cpu_s / CLICKS * 1000,
        "opening the page, WebSocket included": statistics.median(openings),
    }


def opening_ms(url: str) -> float:
    started_s = time.perf_counter()
    with Visitor(url):
        return (time.perf_counter() - started_s) * 1000


def feedback_page(log: Path) -> dict[str, float]:
    """The Feedback page over a large log, from the second time on: the first imports pandas.

    Over the WebSocket, and its answers to each question drawn in a browser.
    """
    with serving(log, port=free_port()) as url:
        with Visitor(url) as visitor:
            visitor.predict("The model is loaded while this waits.")
            times_ms = []
            for _ in range(10):
                message = BackMsg()
                message.rerun_script.page_name = "feedback"
                times_ms.append(visitor.run(message)[1])
        drawn = run("-m", "benchmarks.charts", url)
    return {
        "Feedback page, ms": statistics.median(times_ms[1:]),
        **{f"“{question}” drawn in Chromium, ms": ms for question, ms in drawn.items()},
    }


if __name__ == "__main__":
    main()
