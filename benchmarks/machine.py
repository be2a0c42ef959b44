"""The machine that measures: its size, and its kind of processor, on which most figures depend."""

import os
import platform
import re
from pathlib import Path

import psutil

KINDS = ("AMX bfloat16", "AVX-512 without AMX", "AVX2")
CPUINFO = Path("/proc/cpuinfo")


def kind() -> str:
    """The kind of this processor: one of KINDS, or the name of another architecture."""
    return kind_of(_cpuinfo()) or platform.machine()


def kind_of(cpuinfo: str) -> str | None:
    """The kind that a text like /proc/cpuinfo describes; None for a processor of none of KINDS."""
    match = re.search(r"^flags\s*:(.*)", cpuinfo, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    needed = ({"amx_tile", "amx_bf16"}, {"avx512f"}, {"avx2"})
    return next((name for name, of in zip(KINDS, needed, strict=True) if of <= flags), None)


def description() -> str:
    """The processor's name, cores and memory, and the version of Python."""
    match = re.search(r"model name\s*: (.*)", _cpuinfo())
    name = match[1] if match else platform.processor() or platform.machine()
    memory_gb = psutil.virtual_memory().total / 2**30
    cores, python = os.cpu_count(), platform.python_version()
    return f"{name}, {cores} cores, {memory_gb:.0f} GB, Python {python}"


def _cpuinfo() -> str:
    try:
        return CPUINFO.read_text()
    except OSError:  # macOS, Windows
        return ""
