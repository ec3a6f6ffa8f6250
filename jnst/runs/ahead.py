"""Programs of later levels, compiled while the first ones are compiled and run."""

import concurrent.futures
import threading
from collections.abc import Sequence

from jnst.networks.feature_network import FeatureNetwork
from jnst.runs.fitting import compile_level
from jnst.runs.jobs import Job

COLD = 2.0
"""Seconds after which a level that has not begun to run is being compiled for the first time."""


class Ahead:
    """A thread that compiles some levels, one after the other.

    It begins when a level has taken `COLD` seconds to begin: if that was compiled before, so were
    the others. It changes no result. What fails here fails again where it is needed.
    """

    def __init__(self, network: FeatureNetwork, jobs: Sequence[Job], levels: range) -> None:
        self._begun = threading.Event()
        self._threads = concurrent.futures.ThreadPoolExecutor(1)
        self._cold = self._threads.submit(lambda: not self._begun.wait(COLD))
        self._compiled = {
            index: self._threads.submit(self._compile, network, jobs, index) for index in levels
        }

    def _compile(self, network: FeatureNetwork, jobs: Sequence[Job], index: int) -> None:
        if self._cold.result():
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
        self._begun.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
