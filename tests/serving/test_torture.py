"""A real service under malformed requests, and under many clients at once.

It answers right, never with 500, and keeps neither memory nor threads nor files.
"""

import asyncio
import os
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from model import Model
from tests.helpers import tiny
from tests.helpers.fuzzing import Fuzzer
from tests.helpers.service import serving_alone
from tests.helpers.wire import GENERATING_WIRES, NEW_TOKENS, WIRES, Said, Wire, streams

torture = pytest.mark.torture

SEED = 20261128
AT_ONCE = 16  # connections of the fuzzer
NO_ANSWER = 0
WAIT_S = 1.0  # for an answer to bytes that may be no whole request
CHECKED_EVERY = 100  # malformed requests
MORE_MEMORY = 1.05
MORE_THREADS = 3  # of asyncio's pool, which starts those that it may have as it needs them
# Memory grows to a bound: kernels for the last 128 shapes of a batch, the pages that SQLite caches,
# the heap of each thread that parses a large body. So many clients ask first, and memory is
# compared from two fifths of the way on.
WARMING_CLIENTS, WARMING_S = 32, 60
MORE_FILES = 10  # of the log, which opens some as it needs them
FROM_SCHEMA = 5000
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
TEXTS = [
    *(
        "The battery lasts two days.",
        "Nobody answers the phone.",
        "Müde, 你好 🙂",
        'a "quoted", text',
    ),
    *(f"number {n} is {'good' if n % 3 else 'bad'}" for n in range(40)),
    *("so very good " * n for n in (5, 20, 40)),
]


class Usage(NamedTuple):
    """The memory of a process alone in bytes, its threads, its open files and connections."""

    memory: int
    threads: int
    files: int

    def require_no_more_than(self, early: "Usage") -> None:
        """Fails if a process that had `early` has more now."""
        assert self.memory <= early.memory * MORE_MEMORY
        assert self.threads <= early.threads + MORE_THREADS
        assert self.files <= early.files + MORE_FILES


class Target:
    """A service in a process of its own, ways to ask it, and the answers of the model here."""

    def __init__(
        self,
        url: str,
        pid: int,
        output: IO[bytes],
        *,
        wires: Sequence[Wire],
        expected: Mapping[str, Said],
    ) -> None:
        self.url, self.wires, self.expected = url, wires, expected
        self.texts = list(expected)
        self._process, self._output = psutil.Process(pid), output

    def usage(self) -> Usage:
        with self._process.oneshot():
            memory = self._process.memory_full_info().uss
            return Usage(memory, self._process.num_threads(), self._process.num_fds())

    def require_right(self, wire: Wire, texts: list[str], answer: httpx2.Response) -> None:
        """Fails unless the answer has the labels and scores of the model."""
        assert answer.status_code == 200, (wire.name, answer.status_code, answer.text[:500])
        for text, said in zip(texts, wire.read(answer.content), strict=True):
            label, score = self.expected[text]
            assert said.label == label, wire.name
            assert said.score == pytest.approx(score, abs=1e-4), wire.name

    def require_sound(self) -> None:
        """Fails if the process has ended, has answered with 500, or has written a traceback."""
        assert self._process.is_running()
        metrics = httpx2.get(f"{self.url}/metrics").text
        assert 'status="200"' in metrics
        assert 'status="500"' not in metrics, metrics
        file = self._output.fileno()
        printed = os.pread(file, os.fstat(file).st_size, 0)  # whoever writes shares the position
        assert b"Traceback" not in printed, printed[printed.index(b"Traceback") - 500 :][:5000]


@contextmanager
def targeted(
    folder: Path, model_id: str, *, wires: Sequence[Wire], expected: Mapping[str, Said]
) -> Iterator[Target]:
    with (
        tempfile.TemporaryFile() as output,
        serving_alone(folder / "log.db", written=output, TRYOUT_MODEL__ID=model_id) as served,
    ):
        url, process = served
        yield Target(url, process.pid, output, wires=wires, expected=expected)


@pytest.fixture(scope="module")
def target(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The bundled model, a classifier."""
    made = model.predict(TEXTS)
    expected = {each.input: Said(each.label, each.score or 0.0) for each in made}
    folder = tmp_path_factory.mktemp("torture")
    with targeted(folder, model.model_id, wires=WIRES, expected=expected) as started:
        yield started


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A model that generates."""
    folder = tmp_path_factory.mktemp("writer")
    model = Model(str(tiny.llama(folder / "writer", max_tokens=256)), device="cpu")
    model.load()
    made = model.predict(TEXTS[:10], {"max_new_tokens": NEW_TOKENS})
    model.close()
    expected = {each.input: Said(each.output.text, 0.0) for each in made}  # type: ignore[union-attr]
    with targeted(folder, model.model_id, wires=GENERATING_WIRES, expected=expected) as started:
        yield started


def in_thread(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine in a thread: in this one the browser tests may have a loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


# --- malformed requests ---------------------------------------------------------------------------


class Attack:
    """Malformed requests: their number and answers, and a valid one after each hundred."""

    def __init__(self, target: Target, *, warm_after: int) -> None:
        """From `warm_after` requests on memory must not grow."""
        self.target, self.warm_after = target, warm_after
        self.sent = 0
        self.statuses: Counter[int] = Counter()
        self.warm: Usage | None = None
        self._wires = cycle(target.wires)
        self._http = httpx2.Client(base_url=target.url, timeout=60)

    def note(self, statuses: list[int]) -> None:
        """Counts the answers to a request; there may be none."""
        self.statuses.update(statuses or [NO_ANSWER])
        self.sent += 1
        if self.sent % CHECKED_EVERY == 0:
            self._ask_a_valid_one()
        if self.sent == self.warm_after:
            self.warm = self.target.usage()

    def _ask_a_valid_one(self) -> None:
        wire = next(self._wires)
        at, known = self.sent // CHECKED_EVERY, self.target.texts
        texts = [known[(at + n) % len(known)] for n in range(3)]
        request = wire.request(texts)
        answer = self._http.post(request.path, content=request.body, headers=dict(request.headers))
        self.target.require_right(wire, texts, answer)

    async def send_bytes(self, fuzzer: Fuzzer, count: int) -> None:
        """Sends damaged requests, each over a connection of its own, some at once."""
        parts = urlsplit(self.target.url)
        for start in range(0, count, AT_ONCE):
            group = [fuzzer.next() for _ in range(min(AT_ONCE, count - start))]
            calls = (statuses_of(str(parts.hostname), int(parts.port or 0), each) for each in group)
            for content, statuses in zip(group, await asyncio.gather(*calls), strict=True):
                assert 500 not in statuses, content[:2000]
                await asyncio.to_thread(self.note, statuses)

    def send_by_schema(self, count: int) -> None:
        """Sends requests that fit the OpenAPI document, and those that do not, by schemathesis."""
        schema = schemathesis.openapi.from_url(f"{self.target.url}/api/openapi.json")
        operations: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]
        last, seed = self.sent + count, 0
        while self.sent < last:
            seed += 1
            for operation in operations:
                for mode in GenerationMode:
                    with suppress(Unsatisfiable):  # it may have nothing that could be wrong
                        self._send_cases(operation.as_strategy(generation_mode=mode), last, seed)

    def _send_cases(self, cases: Any, last: int, seed: int) -> None:
        @settings(
            max_examples=50 * seed,  # another number gives other examples
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def send(case: Any) -> None:
            if self.sent < last:
                status = case.call(timeout=60).status_code
                assert status != 500, case
                self.note([status])

        send()

    def require_harmless(self, *, by_schema: int) -> None:
        """Fails if the service is not sound, or keeps more than after the first requests."""
        self._http.close()
        self.target.require_sound()
        statuses = sorted(self.statuses.items(), key=lambda item: -item[1])
        print(f"{self.sent:,} malformed requests, {by_schema:,} by schemathesis: {statuses}")
        assert self.statuses[200]
        assert self.statuses[400]
        if self.warm:
            ended = self.target.usage()
            print(f"after {self.warm_after:,}: {self.warm}; at the end: {ended}")
            ended.require_no_more_than(self.warm)


async def statuses_of(host: str, port: int, content: bytes) -> list[int]:
    """The statuses of the answers to bytes that are sent over a connection of their own."""
    reader, writer = await asyncio.open_connection(host, port)
    received = bytearray()
    try:
        writer.write(content)
        wait_s = WAIT_S
        async with asyncio.timeout(2 * WAIT_S):
            while part := await asyncio.wait_for(reader.read(2**16), wait_s):
                received += part
                wait_s = 0.02  # another answer to the same bytes, or the rest of this one
    except (TimeoutError, ConnectionError):
        pass  # it waits for more of a request, or has enough of it
    finally:
        writer.close()
    return [int(status) for status in STATUS.findall(received)]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=torture)])
def test_malformed_requests_hurt_nobody(target: Target, count: int) -> None:
    by_schema = FROM_SCHEMA if count > FROM_SCHEMA else 0
    if by_schema:
        in_thread(Crowd(target, clients=WARMING_CLIENTS, for_s=WARMING_S).run())
    attack = Attack(target, warm_after=4000)
    fuzzer = Fuzzer([wire.request(TEXTS[:3]) for wire in WIRES], seed=SEED)
    in_thread(attack.send_bytes(fuzzer, (count - by_schema) // 2))
    attack.send_by_schema(by_schema)
    in_thread(attack.send_bytes(fuzzer, count - attack.sent))
    attack.require_harmless(by_schema=by_schema)


@torture
def test_malformed_requests_hurt_no_model_that_generates(writer: Target) -> None:
    in_thread(Crowd(writer, clients=WARMING_CLIENTS, for_s=WARMING_S).run())
    attack = Attack(writer, warm_after=2000)
    valid = [wire.request(writer.texts[:2]) for wire in GENERATING_WIRES]
    fuzzer = Fuzzer(valid + streams(writer.texts[0]), seed=SEED)
    in_thread(attack.send_bytes(fuzzer, 4000))
    attack.require_harmless(by_schema=0)


# --- many clients ---------------------------------------------------------------------------------


class Crowd:
    """Clients that ask for some time, each in all formats, and check each answer."""

    def __init__(self, target: Target, *, clients: int, for_s: float) -> None:
        self.target, self.clients, self.for_s = target, clients, for_s
        self.answers: Counter[str] = Counter()
        self.refused = 0
        self.usage: list[Usage] = []  # at two fifths of the time, and at the end

    async def run(self) -> None:
        limits = httpx2.Limits(max_connections=self.clients, max_keepalive_connections=self.clients)
        async with httpx2.AsyncClient(base_url=self.target.url, timeout=120, limits=limits) as http:
            self._until_s = time.monotonic() + self.for_s
            asking = asyncio.gather(*(self._ask(http, n) for n in range(self.clients)))
            for share in (0.4, 0.6):
                await asyncio.wait((asking,), timeout=share * self.for_s)
                self.usage.append(await asyncio.to_thread(self.target.usage))
            await asking

    async def _ask(self, http: httpx2.AsyncClient, number: int) -> None:
        chance, known = random.Random(number), self.target.texts
        for wire in cycle(chance.sample(self.target.wires, len(self.target.wires))):
            if time.monotonic() > self._until_s:
                return
            texts = chance.sample(known, chance.choice((1, 1, 1, 2, 5)))
            request = wire.request(texts)
            answer = await http.post(
                request.path, content=request.body, headers=dict(request.headers)
            )
            if answer.status_code == 429:
                self.refused += 1
                await asyncio.sleep(int(answer.headers["retry-after"]))
                continue
            self.target.require_right(wire, texts, answer)
            self.answers[wire.name] += 1


@pytest.mark.parametrize(("clients", "for_s"), [(20, 5), pytest.param(200, 300, marks=torture)])
def test_many_clients_at_once_get_right_answers(target: Target, clients: int, for_s: float) -> None:
    crowd = Crowd(target, clients=clients, for_s=for_s)
    in_thread(crowd.run())
    target.require_sound()
    early, late = crowd.usage
    print(
        f"{clients} clients for {for_s} s: {crowd.answers.total():,} answers, all right; "
        f"{crowd.refused:,} refused with 429; {early} after {0.4 * for_s:.0f} s, {late} at the end"
    )
    assert crowd.answers.keys() == {wire.name for wire in WIRES}
    if for_s >= 300:  # before, threads are still started and caches filled
        late.require_no_more_than(early)
