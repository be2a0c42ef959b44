"""The machine: its cores, devices and free memory, within the limits of a container.

The limits are read from control groups: those of memory in versions 1 and 2, those of cores in
version 2.
"""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from model.errors import ModelLoadError

CGROUP = Path("/sys/fs/cgroup")


class MemoryFiles(NamedTuple):
    """The files of a control group with its limit, its use and its statistics, in bytes.

    `cached` is the name of the statistic of cached files.
    """

    names: tuple[str, str, str]
    cached: str


MEMORY_FILES = (
    # https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
    MemoryFiles(("memory.max", "memory.current", "memory.stat"), "inactive_file"),
    # https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
    MemoryFiles(
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
        ),
        "total_inactive_file",
    ),
)
# Threads of a forward pass that wait for each other by spinning take the cores that other threads
# need. oneDNN keeps compiled kernels for each shape of a batch, up to 1,024, and torch as many
# again.
FOR_TORCH = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "LRU_CACHE_CAPACITY": "128",
}


def prepare_server() -> None:
    """Sets what torch reads when it is imported, for a process that serves many; once, early."""
    for name, value in FOR_TORCH.items():
        os.environ.setdefault(name, value)


def usable_cores() -> int:
    """The cores that this process may use: those it is bound to, within its container's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:  # https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return max(1, min(bound or 1, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or "max": no limit
        return bound or 1


def pick_device(device: str) -> str:
    """`device`, or for "auto" the best device here; raises ModelLoadError for an unknown device."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except Exception as error:
        raise ModelLoadError(
            f'device is {device!r}, which is not available here. Set device = "auto".'
        ) from error
    return device


def free_bytes(device: str) -> int:
    """The free memory of `device`, in bytes."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory_bytes()


def give_back_memory() -> None:
    """Gives the memory of a model that nobody holds any more back to the machine and its GPU."""
    gc.collect()
    if torch := sys.modules.get("torch"):
        torch.cuda.empty_cache()  # does nothing where there is no GPU
    # https://man7.org/linux/man-pages/man3/malloc_trim.3.html; 16 to 40 MB of a reloaded model
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """True if the error means that the machine or a GPU has not enough memory."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def free_memory_bytes() -> int:
    """The bytes of memory that this process may still take, of the machine and its container."""
    free: int = psutil.virtual_memory().available
    for files in MEMORY_FILES:
        with suppress(OSError, ValueError):  # no such control group, or "max": no limit
            limit, used, statistics = ((CGROUP / name).read_text() for name in files.names)
            stat = dict(line.split() for line in statistics.splitlines())
            # Cached files count as used, and are dropped when memory is needed.
            in_group = int(limit) - int(used) + int(stat.get(files.cached, 0))
            free = min(free, max(0, in_group))
    return free
