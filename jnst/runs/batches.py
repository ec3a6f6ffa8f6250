"""Many pictures at once: `stylize_batch` and `interpolate`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Unpack

from jax.sharding import Mesh

from jnst.common.brief import brief
from jnst.common.progress import BatchWay, followed
from jnst.common.validation import whole_number
from jnst.images.files import ImageError
from jnst.images.sources import Source, listed
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.loading import given_network
from jnst.objective.extra_terms import ExtraTerms
from jnst.optimizers.sharing import Sharing
from jnst.runs.batch_sizes import BatchSize, fit_batch, group, program, split
from jnst.runs.devices import shared_items
from jnst.runs.engine import prepared_for, prepared_shapes, results_of, run_jobs
from jnst.runs.jobs import Job
from jnst.runs.keywords import AnyNetwork, RunOptions, Settings, with_options
from jnst.runs.opening import open_job
from jnst.runs.problems import check_job
from jnst.runs.results import Result, Results
from jnst.settings.config import Config
from jnst.settings.presets import config_or_default

MOST_PICTURES = 1000
"""Between two styles: a strip of more is wider than any file."""


class BatchProgress(NamedTuple):
    """The results so far of one batch, by their number among all, and whether it is at its end."""

    results: dict[int, Result]
    finished: bool

    def __repr__(self) -> str:
        return brief(self)


class ManyOptions(RunOptions, total=False):
    """What many runs take, which may each have a start."""

    starts: Source | Sequence[Source] | None
    batch_size: BatchSize
    mesh: Mesh | None


class BatchOptions(ManyOptions, total=False):
    """What a batch takes, each item of which may have a config."""

    config: Config | Sequence[Config] | None


class InterpolationOptions(ManyOptions, total=False):
    """What an interpolation takes."""

    config: Config | None


@with_options
def stylize_batch(
    contents: Source | Sequence[Source],
    styles: Source | Sequence[Source | Sequence[Source]],
    *,
    callback: Callable[[BatchProgress], Any] | None = None,
    progress: bool = False,
    **options: Unpack[BatchOptions],
) -> Results:
    """Many pictures in one program: one content in many styles, many contents in one, or pairs.

    `contents`, `styles`, `config` and `starts` (the first images, in the place of those that `init`
    names) are each one for all, or one for each picture; a style may itself be several, mixed. The
    results are in the order of the pairs. Settings go over those of every config. What is traced
    may differ freely; pictures whose programs differ (in size, layers, losses, steps) come in
    different batches. `batch_size` is the most that are run together; "auto" asks the compiler what
    a batch needs, and takes at most 16 that half of the free memory holds. Other options are those
    of `stylize`; `callback` is called with the results so far of the batch in progress, and the
    pictures that are begun by the end are returned. The devices of `mesh`, a `jax.sharding.Mesh` of
    one axis, share a batch, equally many pictures each and at least one.

    Raises:
        ValueError: as `stylize`. An item that diverges raises nothing: its `Result.diverged` is the
            step, and its image the best one before.
    """
    count, batches = _batches(contents, styles, **options)
    return _collect(batches, count, callback, progress)


@with_options
def stylize_batch_steps(
    contents: Source | Sequence[Source],
    styles: Source | Sequence[Source | Sequence[Source]],
    **options: Unpack[BatchOptions],
) -> Iterator[BatchProgress]:
    """As `stylize_batch`, but yields the results of the batch in progress every few steps.

    Everything is checked before this returns.

    Raises:
        ValueError: as `stylize`; or the numbers of pictures do not go together.
    """
    return _batches(contents, styles, **options)[1]


def _batches(
    contents: Source | Sequence[Source],
    styles: Source | Sequence[Source | Sequence[Source]],
    *,
    config: Config | Sequence[Config] | None = None,
    starts: Source | Sequence[Source] | None = None,
    network: AnyNetwork = "embedded",
    extra_terms: ExtraTerms | None = None,
    batch_size: BatchSize = "auto",
    mesh: Mesh | None = None,
    **settings: Unpack[Settings],
) -> tuple[int, Iterator[BatchProgress]]:
    """How many pictures there will be, and what makes them."""
    if batch_size != "auto":
        batch_size = whole_number("batch_size", batch_size, minimum=1)
    sharing = shared_items(mesh)
    given_configs = config if isinstance(config, Sequence) else [config]
    configs = [config_or_default(each, network) for each in given_configs]
    given = {
        "contents": listed("contents", contents),
        "styles": [listed("style", style) for style in listed("styles", styles)],
        "config": [each.replace(**settings) for each in configs],
        "starts": [None] if starts is None else listed("starts", starts),
    }
    count = max(map(len, given.values()))
    for name, values in given.items():
        if not values:
            raise ValueError(f"{name} is empty; one for all, or one for each is accepted")
        if len(values) not in (1, count):
            raise ValueError(f"{name} has {len(values)} entries; expected 1 or {count}")
    inputs = zip(*(values * (count // len(values)) for values in given.values()), strict=True)
    jobs = _open_jobs(inputs, extra_terms, network)
    loaded, identity = given_network(network)
    groups = group(map(program, jobs))
    for numbers in groups:
        job = jobs[numbers[0]]
        check_job(prepared_shapes(loaded, job.config), job)

    def results() -> Iterator[BatchProgress]:
        for numbers in groups:
            yield from _run_group(loaded, identity, jobs, numbers, batch_size, sharing)

    return count, results()


def _open_jobs(
    inputs: Iterable[Any], extra_terms: ExtraTerms | None, network: AnyNetwork
) -> list[Job]:
    """A job for each (content, style, config, start); an error names the number of its picture."""
    jobs: list[Job] = []
    for content, style, config, start in inputs:
        try:
            jobs.append(
                open_job(
                    content, style, config, start=start, extra_terms=extra_terms, network=network
                )
            )
        except ImageError:  # which names its file
            raise
        except ValueError as error:
            raise ValueError(f"picture {len(jobs) + 1}: {error}") from None
    return jobs


def _run_group(
    network: FeatureNetwork,
    identity: dict[str, str],
    jobs: Sequence[Job],
    numbers: Sequence[int],
    batch_size: BatchSize,
    sharing: Sharing,
) -> Iterator[BatchProgress]:
    """Run the jobs of these numbers, which share a program, in batches of one size."""
    prepared = prepared_for(network, jobs[numbers[0]].config)
    size = fit_batch(prepared, jobs[numbers[0]], len(numbers), batch_size, sharing)
    for batch in split(numbers, size):
        mine = [jobs[number] for number in batch]
        made = results_of(mine, None, identity)
        for snapshot in run_jobs(prepared, mine, size=size, sharing=sharing):
            made = results_of(mine, snapshot, identity)
            yield BatchProgress(dict(zip(batch, made, strict=True)), finished=False)
        yield BatchProgress(dict(zip(batch, made, strict=True)), finished=True)


@with_options
def interpolate(
    content: Source,
    styles: Sequence[Source],
    *,
    count: int = 5,
    callback: Callable[[BatchProgress], Any] | None = None,
    progress: bool = False,
    **options: Unpack[InterpolationOptions],
) -> Results:
    """One content between two styles: `count` pictures, from the one to the other.

    `style_blend` goes from (1, 0) to (0, 1) in even steps; other options are those of
    `stylize_batch`.

    Raises:
        ValueError: as `stylize_batch`.
    """
    batches = interpolate_steps(content, styles, count=count, **options)
    return _collect(batches, count, callback, progress)


@with_options
def interpolate_steps(
    content: Source,
    styles: Sequence[Source],
    *,
    count: int = 5,
    config: Config | None = None,
    **options: Unpack[ManyOptions],
) -> Iterator[BatchProgress]:
    """As `interpolate`, but yields the results so far."""
    count = whole_number("count", count, minimum=2, maximum=MOST_PICTURES)
    config = config_or_default(config, options.get("network", "embedded"))
    if "style_blend" in options or config.style_blend is not None:
        raise ValueError("style_blend is what interpolate varies; it takes none")
    pair = listed("styles", styles)
    if len(pair) != 2:
        raise ValueError(f"styles has {len(pair)} pictures; two are accepted")
    shares = [number / (count - 1) for number in range(count)]
    configs = [config.replace(style_blend=(1 - share, share)) for share in shares]
    return stylize_batch_steps(content, [pair], config=configs, **options)


def _collect(
    batches: Iterator[BatchProgress],
    count: int,
    callback: Callable[[BatchProgress], Any] | None,
    progress: bool,
) -> Results:
    results: dict[int, Result] = {}
    way = BatchWay(count)
    for batch in followed(batches, way, name="batch", callback=callback, progress=progress):
        results |= batch.results
    return Results(results[number] for number in sorted(results))
