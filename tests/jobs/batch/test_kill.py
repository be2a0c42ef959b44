"""A job is killed, as by `kill -9`, and run again: each row is there once, as if nothing was."""

import json
import random
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from feedback import FeedbackLog
from model import Model
from tests.helpers.job_commands import (
    csv_file,
    killed_while_it_stores,
    killed_within,
    start,
    stored_labels,
    texts_of,
    versions,
)

prove = pytest.mark.prove
COUNTS = pytest.mark.parametrize(("rows", "kills"), [(400, 3), pytest.param(5000, 30, marks=prove)])
Begin = Callable[[], subprocess.Popen[str]]


def reference(model: Model, texts: list[str]) -> dict[str, str]:
    """The label of each row by an undisturbed run."""
    made = model.predict(texts)
    return {f"row {number}": prediction.label for number, prediction in enumerate(made)}


def source_of(tmp_path: Path, texts: list[str]) -> Path:
    rows = ((f"row {number}", text) for number, text in enumerate(texts))
    return csv_file(tmp_path / "rows.csv", rows)


def check(log_url: str, expected: dict[str, str]) -> None:
    log = FeedbackLog(log_url)
    try:
        assert stored_labels(log, "killed") == expected
    finally:
        log.close()
    assert versions(log_url) == len(expected)


@COUNTS
def test_one_command_that_is_killed_and_run_again_stores_each_row_once(
    log_url: str, model: Model, tmp_path: Path, rows: int, kills: int
) -> None:
    texts, chance = texts_of(rows), random.Random(rows)
    source = source_of(tmp_path, texts)

    def begin() -> subprocess.Popen[str]:
        arguments = ("run", source, "--text-column", "text", "--key", "id", "--name", "killed")
        return start(*arguments, log_url=log_url, TRYOUT_MODEL__DTYPE="float32")

    stored = []
    for number in range(kills):
        if number % 3 == 0:  # while it starts, or reads
            killed_within(begin, chance.uniform(0, 6))
        else:
            killed_while_it_stores(begin, lambda: versions(log_url), chance.uniform(0, 1.5))
        stored.append(versions(log_url))
    last = begin()
    _, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    print(f"{kills} kills, rows stored after each: {stored}")
    check(log_url, reference(model, texts))


@COUNTS
def test_steps_that_are_killed_and_run_again_store_each_row_once(
    log_url: str, model: Model, tmp_path: Path, rows: int, kills: int
) -> None:
    texts, chance = texts_of(rows), random.Random(rows + 1)
    source, folder = source_of(tmp_path, texts), tmp_path / "job"
    manifest = folder / "manifest.json"

    def step(*arguments: object) -> subprocess.Popen[str]:
        return start(*arguments, log_url=log_url, TRYOUT_MODEL__DTYPE="float32")

    def prepare() -> subprocess.Popen[str]:
        named = ("--text-column", "text", "--key", "id", "--name", "killed", "--into", folder)
        return step("prepare", source, *named, "--chunk-rows", rows // 5)

    predicts = [partial(step, "predict", manifest, number) for number in range(5)]
    steps: list[Begin] = [prepare, *predicts, partial(step, "store", manifest)]
    happened, took_s = 0, 4.0
    for number, begin in enumerate(steps):
        for _ in range(kills * (number + 1) // len(steps) - kills * number // len(steps)):
            happened += killed_within(begin, chance.uniform(0, took_s))
        started_s = time.monotonic()
        last = begin()
        out, err = last.communicate(timeout=300)
        assert last.returncode == 0, err
        took_s = time.monotonic() - started_s  # about as long as the next step
        if number == 0:
            assert json.loads(out) == list(range(5))
    print(f"{happened} of {kills} kills came before the end of the step")
    check(log_url, reference(model, texts))
