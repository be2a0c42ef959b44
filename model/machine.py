"""The machine: its cores, devices and free memory, within the limits of a container.

The limits are read from control groups, version 2.
"""

import os
from pathlib import Path

import psutil

from model.errors import ModelLoadError

CGROUP = Path("/sys/fs/cgroup")
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


def is_out_of_memory(error: BaseException) -> bool:
    """True if the error means that the machine or a GPU has not enough memory."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def free_memory_bytes() -> int:
    """The bytes of memory that this process may still take, of the machine and its container."""
    free: int = psutil.virtual_memory().available
    try:  # https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
    # Cached files count as used, and are dropped when memory is needed.
    return min(free, max(0, limit - used + int(stat.get("inactive_file", 0))))
