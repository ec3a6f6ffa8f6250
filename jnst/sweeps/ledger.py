"""What is done of a sweep: a record of each point, and the folder that all of it is written to."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jnst.runs.batch_sizes import BatchSize
from jnst.runs.checkpoints import Saves
from jnst.sweeps.axes import separate, varying_settings
from jnst.sweeps.folder import INDEX, read_json, record_path, recorded_ids, write_json
from jnst.sweeps.picture_names import picture_names
from jnst.sweeps.plans import Plan
from jnst.sweeps.points import Point, PreparedPlan
from jnst.sweeps.record_checks import FORMAT
from jnst.sweeps.records import Entry, finished_record, lacks_metrics
from jnst.sweeps.report import show_inputs
from jnst.sweeps.table import write_table


class Ledger:
    """The records of the points that are done. Nothing is written before `begin`."""

    def __init__(self, plan: Plan, folder: Path, prepared: PreparedPlan, batch_size: BatchSize):
        self._plan, self._folder, self._batch_size = plan, folder, batch_size
        self._points, self._inputs = prepared.points, prepared.inputs
        self._axes = {axis: plan.labeled(axis) for axis in plan.axes}
        self._varying = varying_settings(self._axes)
        self._pictures = picture_names({point.id: self._varied(point) for point in self._points})
        self._todo: set[str] = set()
        self._tables = Saves(seconds=0)
        self._sizes: dict[str, int] = {}
        self._records = self._read()

    def begin(self) -> None:
        """Find what is there by now, forget what failed, and write the index and a first table."""
        self._records = self._read()
        there = recorded_ids(self._folder)
        for point in self._points:
            if point.id in there and not self.is_done(point):  # it is tried again
                record_path(self._folder, point.id).unlink(missing_ok=True)
        self._todo, self._sizes = self._batches_before()
        self._write_index()
        show_inputs(self._folder, self._inputs.values())
        self.write_table()

    @property
    def done(self) -> int:
        """Points that are done."""
        return len(self._records)

    @property
    def failed(self) -> int:
        """Points that failed or diverged, of those that are done."""
        return sum(bool(record["error"]) for record in self._records.values())

    @property
    def strays(self) -> int:
        """Records in the folder of points that the plan does not have."""
        return len(recorded_ids(self._folder) - {point.id for point in self._points})

    def is_done(self, point: Point) -> bool:
        """Whether a point is done."""
        return point.id in self._records

    def unmeasured(self) -> list[tuple[Point, dict[str, Any]]]:
        """Points whose pictures are there, with the records, which lack the figures of metrics."""
        return [
            (point, record)
            for point in self._points
            if (record := self._records.get(point.id)) and lacks_metrics(record)
        ]

    def was_left(self, point: Point) -> bool:
        """Whether a point was not done when this plan began: it keeps its place in a batch."""
        return point.id in self._todo

    def size_of(self, group: str) -> int | None:
        """How many points of a program are run together, if that has been found out."""
        return self._sizes.get(group)

    def keep_size(self, group: str, size: int) -> None:
        """Write down how many points of a program are run together."""
        self._sizes[group] = size
        self._write_index()

    def show(self) -> None:
        """Write the table, unless that was done lately and takes long."""
        if self._tables.due():
            self._tables.save(self.write_table)

    def write_table(self) -> None:
        """Write the table, its lines in the order of the plan."""
        records = [self._records[point.id] for point in self._points if self.is_done(point)]
        write_table(self._folder, records, self._varying)

    def entry(self, point: Point) -> Entry:
        """What the folder calls a point."""
        return Entry(point.id, self._settings(point), self._pictures[point.id])

    def take(self, records: Sequence[dict[str, Any]]) -> None:
        """Note the records of points that are done."""
        self._records |= {record["id"]: record for record in records}

    def find(self, points: Sequence[Point]) -> None:
        """Note the records of those points that are done by now."""
        self._records |= self._found(points)

    def _read(self) -> dict[str, dict[str, Any]]:
        return self._found(self._points)

    def _found(self, points: Sequence[Point]) -> dict[str, dict[str, Any]]:
        there = recorded_ids(self._folder)
        return {
            point.id: record
            for point in points
            if point.id in there and (record := finished_record(self._folder, point.id))
        }

    def _batches_before(self) -> tuple[set[str], dict[str, int]]:
        """The points that this plan began with, and its batches' sizes by program.

        The same batches after an interruption make the same roundings.
        """
        planned = [point.id for point in self._points]
        left = {id for id in planned if id not in self._records}
        index = read_json(self._folder / INDEX)
        try:
            ids = [point["id"] for point in index["points"]]
            todo, sizes = set(index["todo"]), dict(index["sizes"])
            same = ids == planned and index["batch_size"] == self._batch_size and left <= todo
        except (KeyError, TypeError, ValueError):
            same = False
        return (todo, sizes) if same else (left, {})

    def _settings(self, point: Point) -> dict[str, Any]:
        places = zip(self._axes.items(), point.planned.at, strict=True)
        return {axis: values[place] for (axis, values), place in places}

    def _varied(self, point: Point) -> dict[str, Any]:
        settings = separate(self._settings(point))
        return {name: settings[name] for name in self._varying}

    def _write_index(self) -> None:
        index = {
            "format": FORMAT,
            "title": self._plan.title,
            "axes": self._axes,
            "inputs": {
                self._plan.label(name): os.path.relpath(path, self._folder)
                for name, path in self._inputs.items()
            },
            "points": [{"id": point.id, "at": point.planned.at} for point in self._points],
            "batch_size": self._batch_size,
            "todo": sorted(self._todo),
            "sizes": self._sizes,
        }
        write_json(self._folder / INDEX, index)
