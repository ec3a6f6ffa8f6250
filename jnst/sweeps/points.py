"""The points of a plan, looked at before anything runs: named, grouped by program, and costed."""

import hashlib
import json
import math
from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from jnst.images.files import file_digest
from jnst.networks.loading import load_network
from jnst.networks.vgg import Network
from jnst.objective.style_losses import fingerprint
from jnst.runs.batch_sizes import program
from jnst.runs.engine import prepared_shapes
from jnst.runs.jobs import Job
from jnst.runs.opening import open_job
from jnst.runs.problems import check_job
from jnst.settings.config import Config
from jnst.settings.fields import INITS
from jnst.settings.style_loss_names import registered
from jnst.sweeps.flops import operations
from jnst.sweeps.folder import SweepError
from jnst.sweeps.plans import Plan, PlannedPoint


@dataclass(frozen=True)
class Point:
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


class PreparedPlan(NamedTuple):
    """All points, the networks by name, the pictures' paths by name, and their digests."""

    points: list[Point]
    networks: dict[str, Network]
    inputs: dict[str, str]
    digests: dict[str, str]


class _Cost(NamedTuple):
    """The last fields of a Point."""

    program: Hashable
    levels: int
    work: float
    pixels: int


_DEFAULTS = Config().plain()


def prepare_plan(plan: Plan) -> PreparedPlan:
    """Look at every picture, network and program of a plan.

    Raises:
        ValueError: one of them is not accepted; the message names it.
    """
    networks: dict[str, Network] = {}
    digests: dict[str, str] = {}
    costs: dict[Hashable, _Cost] = {}
    known: set[Hashable] = set()
    points: dict[str, Point] = {}
    for planned in plan.points():
        if planned.network not in networks:
            networks[planned.network] = load_network(plan.weights(planned.network))
        network = networks[planned.network]
        for name, path in paths_of(plan, planned).items():
            if name not in digests:
                digests[name] = file_digest(path)
        shared = (planned.content, planned.styles, planned.network, _untraced(planned.config))
        if shared not in costs:
            styles = [plan.picture(style) for style in planned.styles]
            job = open_job(plan.picture(planned.content), styles, planned.config)
            costs[shared] = _cost(network, job, known)
            known.add(costs[shared].program)
        id = _id(planned, network, digests)
        if id in points:
            raise SweepError(
                f"{plan.name}: two points are the same run, with {plan.values(planned.at)}"
            )
        points[id] = Point(id, planned, *costs[shared])
    shown = [name for point in points.values() for name in _shown(point.planned)]
    inputs = {name: plan.picture(name) for name in dict.fromkeys(shown)}
    return PreparedPlan(list(points.values()), networks, inputs, digests)


def _shown(planned: PlannedPoint) -> tuple[str, ...]:
    return planned.content, *planned.styles


def paths_of(plan: Plan, planned: PlannedPoint) -> dict[str, str]:
    """The paths of all that a point reads, by name: what is shown, and what it starts from."""
    paths = {name: plan.picture(name) for name in _shown(planned)}
    start = planned.config.init  # a path already
    return paths | ({start: start} if start and start not in INITS else {})


def _cost(network: Network, job: Job, known: Set[Hashable]) -> _Cost:
    """What a job costs; its program is checked unless it is known."""
    key = network.digest, program(job)
    if key not in known:
        check_job(prepared_shapes(network, job.config), job)
    return _Cost(key, len(job.levels), _work(network, job), math.prod(job.content.shape[:2]))


def _id(planned: PlannedPoint, network: Network, digests: Mapping[str, str]) -> str:
    """The digest of what a point is a run of."""
    settings: dict[str, Any] = {
        name: value
        for name, value in planned.config.plain().items()
        if value != _DEFAULTS[name]  # so that a setting of a later release changes no id
    }
    start = planned.config.init
    if start and start not in INITS:
        settings["init"] = digests[start]
    own = sorted({*planned.config.style_loss} & registered.keys())
    if own:
        settings["own"] = [fingerprint(name) for name in own]
    identity = [[digests[name] for name in _shown(planned)], network.digest, settings]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


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


def _work(network: Network, job: Job) -> float:
    """Operations of a run: every step goes forward through the convolutions, and back."""
    layers, margin = job.config.layers(), 2 * job.config.margin
    work = 0
    for level in job.levels:
        height, width = (side + margin for side in level.shape)
        work += 2 * level.steps * operations(layers, (height, width), network.architecture)
    return work
