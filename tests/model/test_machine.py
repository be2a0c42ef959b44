"""The machine within the limits of a container."""

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from model.machine import free_memory_bytes, usable_cores


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 10_000),
        ({"memory.max": "max", "memory.current": "5", "memory.stat": ""}, 10_000),
        ({"memory.max": "900", "memory.current": "500", "memory.stat": "anon 1"}, 400),
        (
            {"memory.max": "900", "memory.current": "500", "memory.stat": "inactive_file 300"},
            700,
        ),
        ({"memory.max": "99999", "memory.current": "5", "memory.stat": ""}, 10_000),
        (
            {
                "memory/memory.limit_in_bytes": "900",
                "memory/memory.usage_in_bytes": "500",
                "memory/memory.stat": "total_inactive_file 100",
            },
            500,
        ),
    ],
)
def test_a_container_has_no_more_than_its_limit(
    files: dict[str, str], free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr("model.machine.CGROUP", tmp_path)
    machine = type("", (), {"available": 10_000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    assert free_memory_bytes() == free


@pytest.mark.parametrize(
    ("content", "cores"),
    [(None, 6), ("max 100000", 6), ("200000 100000", 2), ("50000 100000", 1), ("odd", 6)],
)
def test_a_container_has_no_more_cores_than_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, cores: int
) -> None:
    if content:
        (tmp_path / "cpu.max").write_text(content)
    bound: Any = lambda process: range(6)  # noqa: E731
    monkeypatch.setattr(os, "sched_getaffinity", bound, raising=False)
    monkeypatch.setattr("model.machine.CGROUP", tmp_path)
    assert usable_cores() == cores
