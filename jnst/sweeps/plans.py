"""The plan of a sweep: which pictures, which settings, and the points that they span."""

import dataclasses
import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jnst.common.documents import parse_toml, read_document
from jnst.common.validation import unknown
from jnst.settings.config import OWN, Config, setting_names
from jnst.settings.fields import INITS
from jnst.settings.presets import NETWORKS, preset, preset_of
from jnst.sweeps.axes import separate
from jnst.sweeps.folder import SweepError
from jnst.sweeps.ranges import range_values

PICTURES = ("content", "style", "network")
MOST_POINTS = 1_000_000
MOST_BYTES = 2**24
KEYS = (
    *("title", "contents", "styles", "networks", "preset", "settings", "grid", "zip", "slurm"),
    "metrics",
)


class PlannedPoint(NamedTuple):
    """A point of a plan: its index along each axis, and what it is a run of, by name."""

    at: tuple[int, ...]
    content: str
    styles: tuple[str, ...]
    network: str
    config: Config


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a sweep goes through.

    `axes` has for each axis its values, in the order in which they vary, the last fastest:
    "content" and "style" (a name, or a list of names that are mixed), "network" if there are
    several, and fields of Config; fields that are zipped are one axis, named "a, b", with a list of
    values for each place. `settings` are the same at all points, `defaults` has the other settings
    of each network. `folder` is where paths start. `slurm` has options of Slurm's jobs. `metrics`
    is whether the pictures are measured: see `jnst.metrics`.
    `title` is what the plan calls itself, or ""; `name` is what messages call it, never "".
    """

    name: str
    title: str
    axes: Mapping[str, Sequence[Any]]
    settings: Mapping[str, Any]
    defaults: Mapping[str, Config]
    network: str
    folder: Path
    slurm: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    metrics: bool = False

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def points(self) -> Iterator[PlannedPoint]:
        """The points, in order.

        Raises:
            SweepError: a value that is not accepted, alone or with the others.
        """
        for at in itertools.product(*(range(len(values)) for values in self.axes.values())):
            values = self.values(at)
            content, style = values.pop("content"), values.pop("style")
            network = values.pop("network", self.network)
            styles = (style,) if isinstance(style, str) else tuple(style)
            try:
                config = self.defaults[network].replace(**{**self.settings, **values})
                config.check_network()
            except ValueError as error:
                raise SweepError(f"{self.name}: {error}") from None
            if config.init and config.init not in INITS:
                config = config.replace(init=self.picture(config.init))
            if OWN in config.plain().values():
                raise SweepError(f"{self.name}: has an optimizer or a rate that is no plain value")
            yield PlannedPoint(at, content, styles, network, config)

    def values(self, at: Sequence[int]) -> dict[str, Any]:
        """The values of the axes at a point, those of a zipped axis one by one."""
        places = zip(self.axes.items(), at, strict=True)
        return separate({name: values[place] for (name, values), place in places})

    def label(self, name: str) -> str:
        """The name of a picture's or a network's file, if that tells it from the others."""
        named = [each for axis in PICTURES for each in self._names(axis)]
        short = os.path.basename(name)
        return name if any(os.path.basename(n) == short and n != name for n in named) else short

    def labeled(self, axis: str) -> list[Any]:
        """The values of an axis, pictures and networks by their labels."""
        if axis not in PICTURES:
            return list(self.axes[axis])
        return [
            self.label(value) if isinstance(value, str) else [self.label(each) for each in value]
            for value in self.axes[axis]
        ]

    def _names(self, axis: str) -> list[str]:
        values = self.axes.get(axis, [])
        return [name for value in values for name in ([value] if isinstance(value, str) else value)]

    def picture(self, name: str) -> str:
        """The path of a content or a style, absolute."""
        return os.path.abspath(self.folder / name)

    def weights(self, name: str) -> str:
        """The path of a network's file, if there is one of that name, or the name."""
        return _weights(name, self.folder)


def read_plan(plan: str | os.PathLike[str] | Mapping[str, Any]) -> Plan:
    """A plan from a TOML file, or from its content.

    `contents` and `styles` are paths, from the file's folder on; a style may be a list, which is
    mixed. `title`, `networks` and `preset` may be left out; without `preset` each network has its
    own. `[settings]` are fields of Config that all points have. `[grid]` has a list of values for
    each field, or a range as numpy's: `{linspace = [0, 1, 5]}`, `{logspace = [-1, 2, 4]}` (0.1 to
    100). Each `[[zip]]` has fields with lists of one length, which vary together. `[slurm]` has
    options of `sbatch`, such as partition, time (minutes) and gres, for the executor "slurm".
    `metrics` is whether the table has the figures of `jnst.metrics.style_metrics` too.

    Raises:
        SweepError: it cannot be read, or holds what is not accepted.
        NetworkError: there is no preset, and no such network.
    """
    if isinstance(plan, Mapping):
        return _plan("plan", _plain(plan), Path())
    path = Path(plan)
    try:
        text = read_document(path, most_bytes=MOST_BYTES)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise SweepError(f"{path}: cannot be read ({said})") from None
    try:
        content = parse_toml(text)
    except ValueError as error:
        raise SweepError(f"{path}: is not TOML ({error})") from None
    return _plan(path.stem, content, path.parent)


def _plan(title: str, content: Mapping[str, Any], folder: Path) -> Plan:
    for key in content:
        _check_known(title, "key", key, KEYS)
    for key, kind in (
        ("settings", Mapping),
        ("grid", Mapping),
        ("slurm", Mapping),
        ("zip", list),
        ("preset", str),
        ("title", str),
        ("metrics", bool),
    ):
        if key in content and not isinstance(content[key], kind):
            raise SweepError(f"{title}: {key} is {content[key]!r}; see jnst.read_plan")
    own = content.get("title", "")
    title = own or title
    networks = _names(title, "networks", content.get("networks", []), optional=True)
    given = content.get("preset")
    axes = {
        "content": _names(title, "contents", content.get("contents", [])),
        "style": _names(title, "styles", content.get("styles", [])),
    }
    if len(networks) > 1:
        axes["network"] = networks
    settings = content.get("settings", {})
    for field in settings:
        _check_field(title, field, ())
    zips = [_zipped(title, each) for each in content.get("zip", [])]
    grid = [
        (field, _values(title, field, values)) for field, values in content.get("grid", {}).items()
    ]
    taken = set(settings)
    for axis, values in [*grid, *zips]:
        for field in axis.split(", "):
            _check_field(title, field, taken)
            taken.add(field)
        axes[axis] = values
    networks = networks or [NETWORKS.get(given or "fast", "")]
    defaults = {name: _defaults(title, given, _weights(name, folder)) for name in networks}
    slurm = content.get("slurm", {})
    metrics = content.get("metrics", False)
    plan = Plan(title, own, axes, settings, defaults, networks[0], folder, slurm, metrics)
    if len(plan) > MOST_POINTS:
        raise SweepError(f"{title}: has {len(plan)} points; at most {MOST_POINTS} are accepted")
    next(plan.points())
    return plan


def _weights(name: str, folder: Path) -> str:
    path = folder / name
    return os.path.abspath(path) if path.is_file() else name


def _defaults(title: str, given: str | None, network: str) -> Config:
    """The settings of the preset that a plan gives, or else the network names."""
    if given is None:
        return preset_of(network)
    try:
        return preset(given)
    except ValueError as error:
        raise SweepError(f"{title}: {error}") from None


def _names(title: str, key: str, given: Any, *, optional: bool = False) -> list[Any]:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(
        isinstance(name, str)
        or (isinstance(name, list) and name and all(isinstance(each, str) for each in name))
        for name in names
    ):
        raise SweepError(f"{title}: {key} is {given!r}; a path, or a list of paths, is accepted")
    if not names and not optional:
        raise SweepError(f"{title}: {key} is empty; at least one is needed")
    _check_different(title, key, names)
    if key != "styles" and any(isinstance(name, list) for name in names):
        raise SweepError(f"{title}: {key} has a list inside; only styles are mixed")
    return names


def _zipped(title: str, fields: Any) -> tuple[str, list[list[Any]]]:
    if not isinstance(fields, Mapping) or not fields:
        raise SweepError(f"{title}: zip holds {fields!r}; fields with lists are accepted")
    columns = {field: _listed(title, field, values) for field, values in fields.items()}
    lengths = {field: len(values) for field, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise SweepError(f"{title}: zip holds lists of different lengths: {lengths}")
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    _check_different(title, ", ".join(columns), rows)
    return ", ".join(columns), rows if len(columns) > 1 else [row[0] for row in rows]


def _values(title: str, field: str, given: Any) -> list[Any]:
    values = _listed(title, field, given)
    _check_different(title, field, values)
    return values


def _plain(value: Any) -> Any:
    """The values that TOML has, for those that Python and numpy have beside them."""
    match value:
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple() | range():
            return [_plain(each) for each in value]
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case os.PathLike():
            return os.fspath(value)
    return value


def _listed(title: str, field: str, given: Any) -> list[Any]:
    _check_field(title, field, ())
    if isinstance(given, Mapping):
        values = range_values(title, field, given, most=MOST_POINTS)
    elif isinstance(given, list):
        values = given
    else:
        raise SweepError(f"{title}: {field} is {given!r}; a list or a range is accepted")
    if not values:
        raise SweepError(f"{title}: {field} has no values")
    return values


def _check_different(title: str, name: str, values: Sequence[Any]) -> None:
    seen = set()
    for value in values:
        if (text := repr(value)) in seen:
            raise SweepError(f"{title}: {name} has {text} twice")
        seen.add(text)


def _check_field(title: str, field: str, taken: Sequence[str] | set[str]) -> None:
    _check_known(title, "setting", field, setting_names())
    if field in taken:
        raise SweepError(f"{title}: {field} is given twice")


def _check_known(title: str, what: str, name: str, known: Any) -> None:
    if name not in known:
        raise SweepError(f"{title}: {unknown(what, name, known)}")
