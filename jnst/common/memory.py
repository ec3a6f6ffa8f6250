"""The memory that this process may still take."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

with contextlib.suppress(ImportError):  # Windows has none
    import resource

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def free_host_memory() -> int:
    """Bytes that this process may still take.

    The smallest of: the free memory of the machine, what is left in each control group of the
    process (Linux cgroups, versions 1 and 2), and what is left of its address space (`ulimit -v`).
    """
    left = [psutil.virtual_memory().available, *_left_in_groups(), *_left_of_addresses()]
    return max(0, min(left))


def _left_in_groups(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Iterator[int]:
    """Bytes left in each memory cgroup of the process, from the innermost outwards.

    Cached files that are not in use count as free.
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
