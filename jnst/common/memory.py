"""The memory that is left to this process, on the machine and in what contains it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

with contextlib.suppress(ImportError):  # Windows has none
    import resource

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def free_host_memory() -> int:
    """Bytes that this process may still take.

    The least of what the machine has, what each control group around the process has left (Linux,
    versions 1 and 2), and what the limit of its address space leaves (`ulimit -v`).
    """
    left = [psutil.virtual_memory().available, *_left_in_groups(), *_left_of_addresses()]
    return max(0, min(left))


def _left_in_groups(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Iterator[int]:
    """What remains to each memory group of the process, from the innermost outwards.

    Files that are kept in memory and not in use are given back when another needs it.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            top, limit, used, kept = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top = root / "memory"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
            kept = "total_inactive_file"
        else:
            continue
        group = top / name.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            with contextlib.suppress(OSError, ValueError, KeyError):  # "max", or not ours to see
                most = int((folder / limit).read_text())
                words = (folder / "memory.stat").read_text().split()
                spare = int(dict(zip(words[::2], words[1::2], strict=False))[kept])
                yield most - int((folder / used).read_text()) + spare


def _left_of_addresses() -> Iterator[int]:
    with contextlib.suppress(NameError, AttributeError):
        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            yield most - psutil.Process().memory_info().vms
