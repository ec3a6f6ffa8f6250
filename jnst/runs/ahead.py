"""Programs of later levels, compiled while the first ones are compiled and run."""

import concurrent.futures
import contextlib
import threading
from collections.abc import Sequence

from jnst.networks.feature_network import FeatureNetwork
from jnst.optimizers.sharing import ONE_DEVICE, Sharing
from jnst.runs.fitting import compile_level
from jnst.runs.jobs import Job

COLD = 2.0
"""Seconds after which a level that has not begun to run is being compiled for the first time."""


class Ahead:
    """A thread that compiles some levels, one after the other.

    It begins when a level has taken `COLD` seconds to begin: if that was compiled before, so were
    the others. Several devices would have to compile in one order, and compile nothing ahead. What
    fails here fails again where it is needed. A program that is being compiled cannot be stopped: a
    process that ends meanwhile waits for it.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        jobs: Sequence[Job],
        levels: Sequence[int],
        sharing: Sharing = ONE_DEVICE,
    ) -> None:
        self._begun = threading.Event()
        self._cold: bool | None = None
        self._threads = concurrent.futures.ThreadPoolExecutor(1)
        self._compiled: dict[int, concurrent.futures.Future[None]] = {}
        with contextlib.suppress(RuntimeError):  # the interpreter ends, and takes no new threads
            for index in levels if sharing == ONE_DEVICE else ():
                task = self._threads.submit(self._compile, network, jobs, index)
                self._compiled[index] = task

    def _compile(self, network: FeatureNetwork, jobs: Sequence[Job], index: int) -> None:
        if self._cold is None:
            self._cold = not self._begun.wait(COLD)
        if self._cold:
            compile_level(network, jobs, index)

    def wait(self, index: int) -> None:
        """Wait until the thread has compiled this level, if that is its task."""
        if index in self._compiled:
            concurrent.futures.wait([self._compiled.pop(index)])

    def begin(self) -> None:
        """Say that a level has begun to run."""
        self._begun.set()

    def close(self) -> None:
        """Leave out what the thread has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._begun.set()
