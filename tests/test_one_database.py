"""Two apps, a service and two jobs on one PostgreSQL at once: each prediction is there once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from feedback import FeedbackLog
from feedback.jobs import find
from tests.helpers.databases import Postgres
from tests.helpers.job_commands import ROWS_OF_TEXTS, csv_file, start, stored_labels, texts_of
from tests.helpers.server import free_port, serving
from tests.helpers.service import serving_alone
from tests.helpers.until import until

ASKED = 30  # texts of each server
ROWS = 300  # of each job


def ask(url: str, are_done: threading.Event) -> set[UUID]:
    """The ids of predictions that a server has made and stored, a rating for each third."""
    made: list[UUID] = []
    with httpx2.Client(base_url=url, timeout=120) as http:
        until(lambda: http.get("/api/ready").status_code == 200)
        while len(made) < ASKED or not are_done.is_set():
            body = {"texts": [f"{url} asks for {len(made)}"]}
            answer = http.post("/api/predictions", json=body).raise_for_status().json()
            made.append(UUID(answer["predictions"][0]["id"]))
            if len(made) % 3 == 0:
                rating = {"verdict": "up", "reviewer": url}
                rated = http.post(f"/api/predictions/{made[-1]}/ratings", json=rating)
                assert rated.status_code == 201, rated.text
        for each in made:
            until(lambda each=each: http.get(f"/api/predictions/{each}").json()["stored"])  # type: ignore[misc]
    return set(made)


@pytest.mark.prove
def test_apps_a_service_and_jobs_share_a_database(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    with postgres_server.database() as url, ExitStack() as stack:  # without tables: all begin
        unused = tmp_path / "unused.db"
        ports = (free_port(), free_port())
        urls = [stack.enter_context(serving(unused, port=port, DATABASE_URL=url)) for port in ports]
        urls.append(stack.enter_context(serving_alone(unused, DATABASE_URL=url))[0])
        jobs = []
        for name in ("first", "second"):
            rows = ((n, f"{name} {text}") for n, text in enumerate(texts_of(ROWS)))
            source = csv_file(tmp_path / f"{name}.csv", rows)
            job = start("run", source, *ROWS_OF_TEXTS, "--name", name, log_url=url)
            stack.callback(job.kill)
            jobs.append(job)
        are_done = threading.Event()
        with ThreadPoolExecutor(len(urls)) as pool:
            asking = [pool.submit(ask, each, are_done) for each in urls]
            ended = [job.communicate(timeout=600) for job in jobs]
            are_done.set()
            made = [future.result() for future in asking]
        assert [job.returncode for job in jobs] == [0, 0], ended
        log = FeedbackLog(url)
        stack.callback(log.close)
        assert all(len(stored_labels(log, name)) == ROWS for name in ("first", "second"))
        assert all(find(log, name).state == "done" for name in ("first", "second"))  # type: ignore[union-attr]
        counts = log.counts()
        asked = sum(map(len, made))
        assert counts.predictions == asked + 2 * ROWS
        assert counts.up == sum(len(each) // 3 for each in made)
        print(f"{asked} predictions of three servers and {2 * ROWS} of two jobs, each once")
