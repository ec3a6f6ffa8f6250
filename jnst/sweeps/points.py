"""The points of a plan, looked at before anything runs: named, grouped by program, and costed."""

import hashlib
import json
import math
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jnst.images.files import file_digest
from jnst.networks.library import load_network
from jnst.networks.vgg import Network
from jnst.objective.style_losses import fingerprint
from jnst.runs.engine import program
from jnst.runs.jobs import Task, prepare
from jnst.runs.levels import check_levels
from jnst.settings.config import Config
from jnst.settings.fields import INITS
from jnst.settings.style_loss_names import registered
from jnst.sweeps.flops import operations
from jnst.sweeps.folder import SweepError
from jnst.sweeps.plans import Plan, PlannedPoint


@dataclass(frozen=True)
class SweepPoint:
    """A planned point that is known to run.

    `id` is its name in the folder: a digest of its pictures, its network and its settings. Points
    of one `program` can be run together; it is compiled for each of the `levels`. `work` is the
    number of operations, `pixels` the size of the result.
    """

    id: str
    planned: PlannedPoint
    program: Hashable
    levels: int
    work: float
    pixels: int


class SweepPoints(NamedTuple):
    """All points, the networks by name, the pictures' paths by name, and their digests."""

    points: list[SweepPoint]
    networks: dict[str, Network]
    inputs: dict[str, str]
    digests: dict[str, str]


_DEFAULTS = Config().plain()


def prepare_points(plan: Plan) -> SweepPoints:
    """Look at every picture, network and program of a plan.

    Raises:
        ValueError: one of them is not accepted; the message names it.
    """
    networks: dict[str, Network] = {}
    digests: dict[str, str] = {}
    ids: set[str] = set()
    programs: dict[Hashable, tuple[Hashable, int, float, int]] = {}
    checked: set[Hashable] = set()
    points = []
    for planned in plan.points():
        if planned.network not in networks:
            networks[planned.network] = load_network(plan.weights(planned.network))
        network = networks[planned.network]
        for name in (planned.content, *planned.styles):
            if name not in digests:
                digests[name] = file_digest(plan.picture(name))
        shared = (planned.content, planned.styles, planned.network, _untraced(planned.config))
        if shared not in programs:
            task = task_of(plan, planned, digests)
            key = network.digest, program(task)
            if key not in checked:
                check_levels(network, task.item, task.levels)
                checked.add(key)
            pixels = math.prod(task.original.shape[:2])
            programs[shared] = key, len(task.levels), _work(task), pixels
        settings = {
            name: value
            for name, value in planned.config.plain().items()
            if value != _DEFAULTS[name]  # so that a setting of a later release changes no id
        }
        start = planned.config.init
        if start and start not in INITS:
            if start not in digests:
                digests[start] = file_digest(start)
            settings["init"] = digests[start]
        own = sorted({*planned.config.style_loss} & registered.keys())
        if own:
            settings["own"] = [fingerprint(name) for name in own]
        identity = [
            [digests[name] for name in (planned.content, *planned.styles)],
            network.digest,
            settings,
        ]
        id = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        if id in ids:
            raise SweepError(
                f"{plan.name}: two points are the same run, with {plan.values(planned.at)}"
            )
        ids.add(id)
        points.append(SweepPoint(id, planned, *programs[shared]))
    pictures = [name for point in points for name in (point.planned.content, *point.planned.styles)]
    inputs = {name: os.path.abspath(plan.picture(name)) for name in dict.fromkeys(pictures)}
    return SweepPoints(points, networks, inputs, digests)


def task_of(plan: Plan, planned: PlannedPoint, digests: Mapping[str, str]) -> Task:
    """What a point runs.

    Raises:
        ValueError: as `prepare`; a picture has another digest than when the plan was looked at.
    """
    styles = [plan.picture(style) for style in planned.styles]
    task = prepare(plan.picture(planned.content), styles, planned.config)
    for name in (planned.content, *planned.styles, planned.config.init):
        if name and name in digests and file_digest(plan.picture(name)) != digests[name]:
            raise SweepError(f"{name}: has been replaced since the sweep began")
    return task


def _untraced(config: Config) -> Config:
    """The settings with those at their defaults that neither program nor pictures depend on."""
    return config.replace(
        content_weight=1.0,
        style_weight=1.0,
        tv_weight=1.0,
        content_layer_weights=None,
        style_layer_weights=None,
        seed=0,
        learning_rate=None,
        learning_rate_decay=1.0,
        init_content=0.0,
        averaging=0.5 if config.averaging else 0.0,
        laplacian_weight=float(config.laplacian_weight > 0),
    )


def _work(task: Task) -> float:
    """Operations of a run: every step goes forward through the convolutions, and back."""
    config = task.item.config
    layers = config.content_layers + config.style_layers
    margin = 2 * config.margin
    return sum(
        2 * level.steps * operations(layers, (level.shape[0] + margin, level.shape[1] + margin))
        for level in task.levels
    )
