"""Stylizing a sequence: each frame starts from the last one and is held to it where possible."""

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
from jnst.networks.loading import given_network
from jnst.objective.extra_terms import ExtraTerms
from jnst.runs.engine import prepared_for
from jnst.runs.keywords import AnyNetwork, OneRunOptions, Settings, with_options
from jnst.runs.opening import open_job, opened_size
from jnst.runs.results import Result
from jnst.runs.stylization import last_of, run_job
from jnst.settings.config import Config
from jnst.settings.presets import config_or_default
from jnst.video.flow import FlowError, consistency, load_flow, resize_flow, warp
from jnst.video.frames import check_frames, frame_numbers

Image = Float[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]

TEMPORAL_WEIGHT = 300.0
"""The weight of the temporal term if none is given."""

FRAME_SHARE = 0.3
"""The share of a run's steps for each frame after the first."""

_OLD = 0.5
"""The share of the last result in the start of a frame's new parts, which keeps its strokes."""

_BLOCK, _NOISE = 4, 0.02
"""A block of `_BLOCK` x `_BLOCK` pixels has changed if its mean color has by more than `_NOISE`."""

_REACH = 24
"""Around a change, pixels within 1 / `_REACH` of the longer side may change too."""


class VideoState(NamedTuple):
    """What is needed to continue with the next frame.

    `done` frames are finished. `image` (H, W, 3) in [0, 1] is the last of them as it was optimized,
    before `color` changed it. `painted` has for each pixel the content that it was made from.
    """

    done: int
    image: Image
    painted: Image

    def __repr__(self) -> str:
        return brief(self)


class VideoOptions(OneRunOptions, total=False):
    """The options of a sequence of frames."""

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
    """Yield one Result for each frame (Ruder et al. 2016, "Artistic style transfer for videos").

    The first frame is a whole run; each later one starts from the one before it. `frames` are
    pictures of one size, such as those of `open_frames`; each is opened when it is needed. Parts
    that do not change between frames stay as they are.

    `flows` is a folder of .flo files, named as those of artistic-videos by the last numbers in the
    frames' names: backward_2_1.flo, forward_1_2.flo. With it, a frame starts from the last result
    moved by the flow. Where both flows agree it is held to that by `temporal_weight` (300 if it is
    0).

    Later frames take `frame_steps` steps at full size, by default 0.3 times the steps of the first.
    With flows, half of these steps paint only the new parts; the history of the Result is that of
    the other half.

    Options are those of `stylize` but `start` and `previous`. `callback` is called with the Result
    of each frame.

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
    """As `stylize_frames`, with the state after each frame; pass it as `resume` to continue."""
    config = config_or_default(config, network).replace(**settings)
    if config.color == "luminance":
        raise ValueError("color is 'luminance'; a video accepts all others, such as 'recombine'")
    if flows is None and config.temporal_weight:
        raise ValueError("temporal_weight is given without flows, which it needs")
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
    """A mask (H, W): 1 where a frame is unchanged from an earlier one, 0 in and around changes.

    Both frames are (H, W, 3) in [0, 1]. A block of 4 x 4 pixels is changed if its mean differs by
    more than 0.02 in a channel; the mean is not affected by the noise of cameras. Pixels within
    1/24 of the longer side of a change count as changed; the border of the mask is soft.
    """
    height, width = frame.shape[:2]
    blocks = max(1, height // _BLOCK), max(1, width // _BLOCK)
    difference = np.abs(resize_image(frame, blocks) - resize_image(earlier, blocks)).max(-1)
    changed = PillowImage.fromarray(np.uint8(255) * (difference > _NOISE))
    reach = math.ceil(max(height, width) / _REACH / _BLOCK)
    around = changed
    for _ in range(reach + 1):  # one large filter would take the square of the time
        around = around.filter(ImageFilter.MaxFilter(3))
    soft = around.filter(ImageFilter.BoxBlur(reach / 2))
    soft = soft.resize((width, height), PillowImage.Resampling.BILINEAR)  # other filters overshoot
    return 1 - np.asarray(soft, np.float32) / 255


def flow_paths(folder: str | os.PathLike[str], numbers: Sequence[int]) -> list[tuple[Path, Path]]:
    """The paths of the flows between consecutive frames, backward and forward.

    The names are those of artistic-videos: backward_2_1.flo, forward_1_2.flo.

    Raises:
        FlowError: the numbers of the frames are not consecutive.
    """
    pairs = list(itertools.pairwise(numbers))
    for earlier, later in pairs:
        if later != earlier + 1:
            raise FlowError(
                f"frame {later} follows frame {earlier}; with flows consecutive numbers are "
                "accepted"
            )
    return [
        (Path(folder, f"backward_{b}_{a}.flo"), Path(folder, f"forward_{a}_{b}.flo"))
        for a, b in pairs
    ]


class _Held(NamedTuple):
    """The last result moved to this frame, and a mask of where it is reliable."""

    image: Image
    mask: Mask


def _held(
    state: VideoState, content: Image, flows: tuple[Path, Path] | None
) -> tuple[_Held, Image]:
    """What the next frame is held to, and the content that its pixels are made from."""
    if flows is None:
        mask = unchanged(content, state.painted)
        return _Held(state.image, mask), _blend(mask, state.painted, content)
    backward, forward = (resize_flow(load_flow(path), content.shape[:2]) for path in flows)
    return _Held(warp(state.image, backward), consistency(backward, forward)), content


def _settings(
    config: Config, frame_steps: int | None, flows: bool
) -> tuple[Config, Config, Config]:
    """Settings of the first frame, of the new parts of a later frame, and of a whole later frame.

    New parts are painted while the rest is fixed: beside the temporal term their losses are so
    flat that L-BFGS would not change them. With flows, half of the steps then go over the whole
    frame, because moving a picture again and again blurs it.
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
    """A function that makes one frame; it opens the styles and prepares the network only once."""
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
