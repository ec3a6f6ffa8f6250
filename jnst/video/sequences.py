"""Sequences: every frame is started from the one before it, and held to it where it can be."""

import dataclasses
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage
from PIL import ImageFilter

from jnst.common.brief import brief
from jnst.common.progress import followed
from jnst.common.validation import whole_number
from jnst.images import color
from jnst.images.resizing import fit_size, resize_image
from jnst.images.sources import Source, listed, name_of, numbered, open_picture
from jnst.networks.library import given_network
from jnst.objective.extra_terms import ExtraTerms
from jnst.runs.engine import prepared_for
from jnst.runs.keywords import AnyNetwork, OneRunOptions, Settings, with_options
from jnst.runs.opening import open_job, opened_size
from jnst.runs.results import Result
from jnst.runs.stylization import last_of, run_job
from jnst.settings.config import Config, config_or_default
from jnst.video.flow import FlowError, consistency, load_flow, resize_flow, warp
from jnst.video.frames import check_frames, frame_numbers

Image = Float[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]

TEMPORAL_WEIGHT = 300.0
"""Of the temporal term, if none is given."""

FRAME_SHARE = 0.3
"""Of a run's steps, that every frame after the first takes: it starts from the one before."""

_OLD = 0.5
"""Of what is new in a frame, the share of its start that is the last result: its strokes without
what was there before."""

_BLOCK, _NOISE = 4, 0.02
"""A block of pixels has changed if its mean color has by more than this."""

_REACH = 24
"""Parts of the longer side: as far around what changed its strokes may change too."""


class VideoState(NamedTuple):
    """What it takes to go on with the next frame.

    `image` (H, W, 3) in [0, 1] is the last of the `done` frames as it was optimized, before it got
    other colors; `painted` has for each pixel of it the content that it was made from.
    """

    done: int
    image: Image
    painted: Image

    def __repr__(self) -> str:
        return brief(self)


class VideoOptions(OneRunOptions, total=False):
    """What a sequence of frames takes."""

    content_masks: Source | Sequence[Source]
    style_masks: Source | Sequence[Source | None]


@with_options
def stylize_frames(
    frames: Sequence[Source],
    style: Source | Sequence[Source],
    *,
    flows: str | os.PathLike[str] | None = None,
    frame_steps: int | None = None,
    callback: Callable[[Result], Any] | None = None,
    progress: bool = False,
    **options: Unpack[VideoOptions],
) -> Iterator[Result]:
    """One Result a frame; the first is a whole run, every other starts from the one before it.

    `frames` are pictures of one size, each of which is opened when it is its turn: `open_frames`.
    What does not change between frames stays as it is. With `flows`, a folder of .flo files named
    as those of artistic-videos (backward_2_1.flo, forward_1_2.flo, by the last numbers in the
    frames' names), a frame starts from the last result moved to it and is held to that where the
    flows agree, by `temporal_weight` (300 if it is 0). The later frames take `frame_steps` steps
    at full size, without it 0.3 times the steps of the first; with flows the first half of them
    paint what is new, and the history of the Result is of the rest. (Ruder, Dosovitskiy, Brox 2016,
    "Artistic style transfer for videos".) Options are those of `stylize` but `start` and
    `previous`; `callback` is called with the Result of each frame.

    Frames and flows are checked before this returns.

    Raises:
        ValueError, DivergedError: as `stylize`. ImageError: the frames differ in size. FlowError: a
            flow is missing, damaged, or of another size than its frames.
    """
    results = stylize_frames_steps(frames, style, flows=flows, frame_steps=frame_steps, **options)
    numbers = itertools.count(1)

    def way(result: Result) -> tuple[float, str, str]:
        done = next(numbers)
        return done / len(frames), f"{done} of {len(frames)} frames", f"{result.steps} steps"

    frames_of = (result for result, _ in results)
    return followed(frames_of, way, name="video", callback=callback, progress=progress)


def stylize_frames_steps(
    frames: Sequence[Source],
    style: Source | Sequence[Source],
    *,
    flows: str | os.PathLike[str] | None = None,
    frame_steps: int | None = None,
    resume: VideoState | None = None,
    network: AnyNetwork = "embedded",
    extra_terms: ExtraTerms | None = None,
    config: Config | None = None,
    content_masks: Any = (),
    style_masks: Any = (),
    **settings: Unpack[Settings],
) -> Iterator[tuple[Result, VideoState]]:
    """As `stylize_frames`, with what it takes to go on behind each frame, as `resume`."""
    config = config_or_default(config).replace(**settings)
    if config.color == "luminance":
        raise ValueError(
            "color is 'luminance'; a video takes 'recombine', or colors matched before"
        )
    if flows is None and config.temporal_weight:
        raise ValueError("temporal_weight is given without flows")
    first, paint, sharpen = _settings(config, frame_steps, flows is not None)
    still = paint.replace(steps=0)
    shape = check_frames(frames)
    paths = None if flows is None else flow_paths(flows, frame_numbers(frames))
    _check_flows(paths or (), shape)
    others = {
        "extra_terms": extra_terms,
        "content_masks": listed("content_masks", content_masks, axes=2),
        "style_masks": listed("style_masks", style_masks, axes=2),
    }
    make = _maker(style, network, config, **others)

    def results(state: VideoState | None) -> Iterator[tuple[Result, VideoState]]:
        for number in range(state.done if state else 0, len(frames)):
            source = frames[number]
            frame = open_picture(f"frame {number + 1}", source, size=config.size)
            content = resize_image(frame.image, fit_size(frame.image.shape[:2], config.size))
            if state is None:
                result, painted = make(frame, first), content
            else:
                pair = paths[number - 1] if paths else None
                held, painted = _held(state, content, pair)
                new = held.mask.min() < 1
                start = _blend(_OLD + (1 - _OLD) * held.mask, held.image, content)
                result = make(frame, paint if new else still, start=start, previous=held)
                if paths is not None and (new or (start != state.image).any()):
                    begun = result.image.clip(0, 1)
                    result = make(frame, sharpen, start=begun, previous=held)
            state = VideoState(number + 1, result.image.clip(0, 1), painted)
            result = dataclasses.replace(result, content=name_of(source))
            if config.color == "recombine":
                image = color.with_luminance(content, color.luminance(result.image))
                result = dataclasses.replace(result, image=image)
            yield result, state

    return results(resume)


def unchanged(frame: Image, earlier: Image) -> Mask:
    """Where a frame is as an earlier one, 1; where it is not, and around it, 0; soft between.

    Both are (H, W, 3) in [0, 1], the mask is (H, W). The mean colors of blocks of 4 x 4 pixels are
    compared, which leaves out the noise of cameras: more than 0.02 in a channel is a change. Around
    it is 1/24 of the longer side.
    """
    height, width = frame.shape[:2]
    blocks = max(1, height // _BLOCK), max(1, width // _BLOCK)
    difference = np.abs(resize_image(frame, blocks) - resize_image(earlier, blocks)).max(-1)
    changed = PillowImage.fromarray(np.uint8(255) * (difference > _NOISE))
    reach = math.ceil(max(height, width) / _REACH / _BLOCK)
    around = changed
    for _ in range(reach + 1):  # one large filter takes the square of the time
        around = around.filter(ImageFilter.MaxFilter(3))
    soft = around.filter(ImageFilter.BoxBlur(reach / 2))
    soft = soft.resize((width, height), PillowImage.Resampling.BILINEAR)  # others overshoot
    return 1 - np.asarray(soft, np.float32) / 255


def flow_paths(folder: str | os.PathLike[str], numbers: Sequence[int]) -> list[tuple[Path, Path]]:
    """The files of the flows between frames of these numbers, backward and forward.

    They are named as those of artistic-videos: backward_2_1.flo, forward_1_2.flo.

    Raises:
        FlowError: the numbers do not follow one another.
    """
    pairs = list(itertools.pairwise(numbers))
    for earlier, later in pairs:
        if later != earlier + 1:
            raise FlowError(
                f"frame {later} is behind frame {earlier}; with flows their numbers follow one "
                "another"
            )
    return [
        (Path(folder, f"backward_{b}_{a}.flo"), Path(folder, f"forward_{a}_{b}.flo"))
        for a, b in pairs
    ]


class _Held(NamedTuple):
    """The last result as it is in this frame, and where it can be relied on."""

    image: Image
    mask: Mask


def _held(
    state: VideoState, content: Image, flows: tuple[Path, Path] | None
) -> tuple[_Held, Image]:
    """What is held in the next frame, and what its pixels will have been made from."""
    if flows is None:
        mask = unchanged(content, state.painted)
        return _Held(state.image, mask), _blend(mask, state.painted, content)
    backward, forward = (resize_flow(load_flow(path), content.shape[:2]) for path in flows)
    return _Held(warp(state.image, backward), consistency(backward, forward)), content


def _settings(
    config: Config, frame_steps: int | None, flows: bool
) -> tuple[Config, Config, Config]:
    """Those of the first frame; of what is new in a later one; and of one that was moved.

    What is moved again and again gets blurred, so that with flows half of the steps go over all of
    a frame, held to it softly. What is new is painted by itself, with the rest fixed: beside the
    temporal term its own losses are so flat that L-BFGS would leave it a photograph.
    """
    if frame_steps is None:
        frame_steps = max(min(1, config.steps), round(FRAME_SHARE * config.steps))
    else:
        whole_number("frame_steps", frame_steps, minimum=1)
    first = config.replace(
        temporal_weight=0, color="style" if config.color == "recombine" else config.color
    )
    moved = frame_steps // 2 if flows else 0
    paint = first.replace(
        steps=frame_steps - moved, levels=1, level_sizes=None, level_steps=None, init="content"
    )
    sharpen = paint.replace(steps=moved, temporal_weight=config.temporal_weight or TEMPORAL_WEIGHT)
    return first, paint, sharpen


def _maker(
    style: Source | Sequence[Source],
    network: AnyNetwork,
    config: Config,
    **options: Any,
) -> Callable[..., Result]:
    """What makes a frame: the styles are opened once, and the network is prepared once."""
    sources = listed("style", style)
    names, size = tuple(map(name_of, sources)), opened_size(config)
    styles = [open_picture(*each, size=size) for each in numbered("style", sources)]
    loaded, identity = given_network(network)
    prepared = prepared_for(loaded, config)

    def make(frame: Source, config: Config, **start: Any) -> Result:
        job = open_job(frame, styles, config, network=loaded, **options, **start)
        return last_of(run_job(prepared, dataclasses.replace(job, style_names=names), identity))

    return make


def _check_flows(paths: Iterable[tuple[Path, Path]], shape: tuple[int, int]) -> None:
    for path in itertools.chain.from_iterable(paths):
        height, width = load_flow(path).shape[:2]
        if (height, width) != shape:
            raise FlowError(
                f"{path}: has {height} x {width} pixels; the frames have {shape[0]} x {shape[1]}"
            )


def _blend(mask: Mask, inside: Image, outside: Image) -> Image:
    return outside + mask[..., None] * (inside - outside)
