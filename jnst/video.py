"""Sequences: frames from a folder or a GIF, each started from the last."""

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage
from PIL import ImageSequence

from jnst import color
from jnst.atomic import atomic_path
from jnst.config import Config
from jnst.flow import FlowError, consistency, load_flow, resize_flow, warp
from jnst.image_files import ImageError
from jnst.images import load_image
from jnst.record import Result
from jnst.resizing import fit_size, resize_image
from jnst.sources import open_picture
from jnst.stylize import Source, stylize

Image = Float[np.ndarray, "h w 3"]

TEMPORAL_WEIGHT = 30.0
"""Of the temporal term where flows are given. At 200 what comes into view stayed a photograph."""

FRAME_MILLISECONDS = 100

PICTURES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"),
    *(".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
)
"""Files of a folder that are frames; hidden ones, as other systems leave them, are not."""

FRAME_SHARE = 0.3
"""Of a run's steps, that every frame after the first takes: it starts from the one before."""


def load_frames(path: str | os.PathLike[str]) -> list[Image]:
    """The frames of a GIF, or the pictures in a folder, in the order of the numbers in their names.

    Over white where they are transparent, as `load_image` has them.

    Raises:
        ImageError: there is no picture, one cannot be read, or they differ in size.
    """
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path}: there is no such folder or GIF")
    if path.is_dir():
        files = [
            file
            for file in path.iterdir()
            if file.suffix.lower() in PICTURES and not file.name.startswith(".")
        ]
        frames = [load_image(file) for file in sorted(files, key=_number)]
    else:
        try:
            with PillowImage.open(path) as file:
                frames = [
                    open_picture("frame", frame.convert("RGBA")).image
                    for frame in ImageSequence.Iterator(file)
                ]
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise ImageError(f"{path}: cannot be read as a GIF ({error})") from None
    if not frames:
        raise ImageError(f"{path}: holds no pictures; {', '.join(PICTURES)} are read")
    if len({frame.shape for frame in frames}) > 1:
        raise ImageError(f"{path}: its frames differ in size")
    return frames


def frame_durations(path: str | os.PathLike[str]) -> list[int]:
    """How long a GIF shows each of its frames, in milliseconds; none for a folder."""
    if Path(path).is_dir():
        return []
    with PillowImage.open(path) as file:
        return [
            int(frame.info.get("duration") or FRAME_MILLISECONDS)
            for frame in ImageSequence.Iterator(file)
        ]


def save_gif(
    path: str | os.PathLike[str], frames: Sequence[Image], *, milliseconds: Sequence[int] = ()
) -> None:
    """Write frames as a GIF that repeats, atomically; each is shown 100 ms if nothing is said."""
    shown = [*milliseconds, *[FRAME_MILLISECONDS] * len(frames)][: len(frames)]
    pictures = [PillowImage.fromarray(np.rint(frame * 255).astype(np.uint8)) for frame in frames]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary,
            "GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=shown,
            loop=0,
        )


def load_flows(folder: str | os.PathLike[str], number: int) -> tuple[np.ndarray, np.ndarray]:
    """The flows between frames `number` and `number` + 1, counted from 1: backward, then forward.

    The files are named as those of artistic-videos: backward_2_1.flo, forward_1_2.flo.

    Raises:
        FlowError: one is missing or damaged.
    """
    folder = Path(folder)
    return (
        load_flow(folder / f"backward_{number + 1}_{number}.flo"),
        load_flow(folder / f"forward_{number}_{number + 1}.flo"),
    )


def stylize_frames(
    frames: Sequence[Image],
    style: Source | Sequence[Source],
    *,
    flows: str | os.PathLike[str] | None = None,
    frame_steps: int | None = None,
    config: Config | None = None,
    **options: Any,
) -> Iterator[Result]:
    """One Result a frame; the first is a whole run, every other starts from the one before it.

    With `flows`, a folder of .flo files (`load_flows`), it starts from the last result moved to the
    frame, and `temporal_weight` (30 if it is 0) holds it to that where the flows agree. The later
    frames take `frame_steps` steps at full size, without it 0.3 times the steps of the first.
    (Ruder, Dosovitskiy, Brox 2016, "Artistic style transfer for videos".) Options are those of
    `stylize_steps`.

    Flows are checked before this returns.

    Raises:
        ValueError, DivergedError: as `stylize`. FlowError: a flow is missing, damaged, or of
            another size than its frames.
    """
    names = Config.__dataclass_fields__.keys() & options.keys()
    config = (config or Config()).replace(**{name: options.pop(name) for name in names})
    if config.color == "luminance":
        raise ValueError(
            "color is 'luminance'; a video takes 'recombine', or colours matched before"
        )
    if flows is None and config.temporal_weight:
        raise ValueError("temporal_weight is given without flows")
    recombine = config.color == "recombine"
    weight = config.temporal_weight
    if flows is not None:
        _check_flows(flows, frames)
    if frame_steps is None:
        frame_steps = max(min(1, config.steps), round(FRAME_SHARE * config.steps))
    config = config.replace(temporal_weight=0, color="style" if recombine else config.color)

    def shown(result: Result, frame: Image) -> Result:
        if not recombine:
            return result
        content = resize_image(frame, result.image.shape[:2])
        image = color.with_luminance(content, color.luminance(result.image))
        return dataclasses.replace(result, image=image)

    later = config.replace(
        steps=frame_steps, levels=1, level_sizes=None, level_steps=None, init="content"
    )

    def results() -> Iterator[Result]:
        last = stylize(frames[0], style, config=config, **options)
        yield shown(last, frames[0])
        for number, frame in enumerate(frames[1:], 1):
            shape = fit_size(frame.shape[:2], config.size)
            start, previous = resize_image(last.image, shape).clip(0, 1), None
            if flows is not None:
                backward, forward = (resize_flow(each, shape) for each in load_flows(flows, number))
                mask = consistency(backward, forward)
                start = warp(start, backward)
                previous = start, mask
            settings = later.replace(temporal_weight=(weight or TEMPORAL_WEIGHT) if previous else 0)
            last = stylize(frame, style, config=settings, start=start, previous=previous, **options)
            yield shown(last, frame)

    return results()


def _check_flows(flows: str | os.PathLike[str], frames: Sequence[Image]) -> None:
    for number in range(1, len(frames)):
        for name, flow in zip(("backward", "forward"), load_flows(flows, number), strict=True):
            if flow.shape[:2] != frames[number].shape[:2]:
                raise FlowError(
                    f"{Path(flows)}: the {name} flow between frames {number} and {number + 1} has "
                    f"{flow.shape[0]} x {flow.shape[1]} pixels; the frames have "
                    f"{frames[number].shape[0]} x {frames[number].shape[1]}"
                )


def _number(path: Path) -> list[Any]:
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdigit() else part for part in parts]
