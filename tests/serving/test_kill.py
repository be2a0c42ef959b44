"""The service is killed, as by `kill -9`: what it called stored is there, and nothing is twice."""

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from feedback import FeedbackLog
from tests.helpers.command import Ran, run_alone
from tests.helpers.entries import entry, history, rating
from tests.helpers.service import KilledService, killed_service
from tests.helpers.until import until

prove = pytest.mark.prove


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledService]:
    """A service that each test kills and leaves ready again: a start takes seconds."""
    with killed_service(tmp_path_factory.mktemp("kill") / "service.db") as killed:
        yield killed


class Client:
    """A client that asks until it is stopped, and remembers what it was told."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.answered: dict[UUID, str] = {}  # the texts of predictions
        self.stored: set[UUID] = set()
        self.rated: set[UUID] = set()

    def ask(self, is_over: threading.Event) -> None:
        """Asks for two predictions, rates one, asks whether they are stored; and so on."""
        with suppress(httpx2.TransportError), httpx2.Client(base_url=self.url, timeout=60) as http:
            while not is_over.is_set():
                count = len(self.answered)
                texts = [f"{self.name} says {n}" for n in (count, count + 1)]
                answer = http.post("/api/predictions", json={"texts": texts}).raise_for_status()
                made = [UUID(each["id"]) for each in answer.json()["predictions"]]
                self.answered |= zip(made, texts, strict=True)
                body = {"verdict": "up", "reviewer": "Ada"}
                if http.post(f"/api/predictions/{made[0]}/ratings", json=body).status_code == 201:
                    self.rated.add(made[0])
                for each in made:
                    if http.get(f"/api/predictions/{each}").raise_for_status().json()["stored"]:
                        self.stored.add(each)


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=prove)])
def test_a_kill_loses_nothing_that_was_called_stored(service: KilledService, kills: int) -> None:
    clients: list[Client] = []
    for number in range(1, kills + 1):
        asking = [Client(service.url, f"client {number}.{n}") for n in range(4)]
        clients += asking
        is_over = threading.Event()
        with ThreadPoolExecutor(len(asking)) as pool:
            for client in asking:
                pool.submit(client.ask, is_over)
            until(lambda: sum(len(client.stored) for client in asking) > 7 * number)  # noqa: B023 - called in this turn
            service.kill()
            is_over.set()
        service.start()
    stored = set[UUID]().union(*(client.stored for client in clients))
    rated = set[UUID]().union(*(client.rated for client in clients))
    answered = {each: text for client in clients for each, text in client.answered.items()}
    rows = _history(service.database)
    print(
        f"{kills} kills: {len(answered)} predictions answered, {len(stored)} called stored, "
        f"{len(rated)} ratings answered with 201; {len(rows)} predictions in the log"
    )
    assert stored <= rows.keys()
    assert rated <= {each for each, (_, verdicts) in rows.items() if verdicts == ["up"]}
    assert {each: text for each, (text, _) in rows.items() if each in answered}.items() <= (
        answered.items()
    )
    assert max(Counter(text for text, _ in rows.values()).values()) == 1, "each text was sent once"
    assert all(len(verdicts) <= 1 for _, verdicts in rows.values())


def test_a_kill_between_the_answer_and_the_commit(service: KilledService) -> None:
    texts = [f"a text {n}" for n in range(5)]
    before = service.stored()
    with _locked(service.database):
        answer = httpx2.post(f"{service.url}/api/predictions", json={"texts": texts}, timeout=60)
        made = [each["id"] for each in answer.json()["predictions"]]
        for each in made:
            found = httpx2.get(f"{service.url}/api/predictions/{each}").json()
            assert (found["id"], found["stored"]) == (each, False)
        service.kill()
    service.start()
    assert service.stored() == before
    assert httpx2.get(f"{service.url}/api/predictions/{made[0]}").status_code == 404
    again = httpx2.post(f"{service.url}/api/predictions", json={"texts": texts}, timeout=60)
    until(lambda: service.stored() == before + len(texts))
    ids = [each for each, (text, _) in _history(service.database).items() if text in texts]
    assert ids == [UUID(each["id"]) for each in again.json()["predictions"]]


@pytest.mark.parametrize(("count", "kills"), [(500, 1), pytest.param(2000, 5, marks=prove)])
def test_a_replay_waits_and_compares_each_prediction_once(
    service: KilledService, tmp_path: Path, count: int, kills: int
) -> None:
    database, out = tmp_path / "log.db", tmp_path / "replay.jsonl"
    rated = [entry(f"number {n} is {'good' if n % 3 else 'bad'}") for n in range(count)]
    log = FeedbackLog(f"sqlite:///{database}")
    log.add(rated, [rating(each) for each in rated])
    before, in_service = history(log, unrated=True), service.stored()

    def lines() -> int:
        return len(out.read_text().splitlines()) if out.exists() else 0

    with ThreadPoolExecutor(1) as pool:
        replaying = pool.submit(_replay, database, out, service.url)
        for number in range(1, kills + 1):
            until(lambda most=count * number // (kills + 2): lines() > most or replaying.done())  # type: ignore[misc]
            assert not replaying.done(), replaying.result()
            service.kill()
            service.start()
        ran = replaying.result()
    assert ran.code == 0, ran.err
    assert f"over {count:,} rated predictions" in ran.out
    assert "cannot be reached" in ran.err
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(each["prediction_id"] for each in results) == (
        sorted(str(each.prediction.id) for each in rated)
    )
    assert {each["problem"] for each in results} == {""}
    assert history(log, unrated=True) == before
    assert service.stored() == in_service, "its predictions are the log's of whoever asks"
    log.close()


def _replay(database: Path, out: Path, url: str) -> Ran:
    environment = {"TRYOUT_MODEL__URL": url, "TRYOUT_FEEDBACK__DATABASE": str(database)}
    arguments = ("--out", str(out), "--allow-broken", "9999")
    return run_alone("jobs.replay", *arguments, **environment)


def _history(database: Path) -> dict[UUID, tuple[str, list[str]]]:
    """The text and the verdicts of each prediction in a log."""
    log = FeedbackLog(f"sqlite:///{database}")
    found: dict[UUID, tuple[str, list[str]]] = {}
    for stored, revision in history(log, unrated=True):
        _, verdicts = found.setdefault(stored.prediction.id, (stored.prediction.input, []))
        if revision:
            verdicts.append(revision.verdict)
    log.close()
    return found


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Nobody else can write to an SQLite file."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()
