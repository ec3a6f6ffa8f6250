"""The frames of a folder of pictures, a GIF or a video, with one in memory at a time."""

import io
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from jnst.images.files import ImageError, read_bytes, reading, refuse_format
from jnst.images.sources import Source, called, open_picture
from jnst.video.durations import FRAME_MILLISECONDS, shown_for
from jnst.video.movie_files import MOVIES, movie_durations, movie_frames

PICTURES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"),
    *(".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
)
"""Suffixes of the files in a folder that are frames; hidden files are not frames."""


def open_frames(path: str | os.PathLike[str]) -> Sequence[Source]:
    """Open the frames of a GIF or a video, or the pictures in a folder, ordered by number.

    The frames of a folder are paths. Frames of a file are decoded when they are asked for. A video
    (.mp4, .mov, .webm, .mkv) needs imageio-ffmpeg, and is decoded in order: asking for the same or
    an earlier frame decodes it again from the start.

    Raises:
        ImageError: there is no such file or folder, it has no picture, or it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path}: there is no such folder, GIF or video")
    if not path.is_dir():
        return _Movie(path) if path.suffix.lower() in MOVIES else _Gif(path)
    files = [
        file
        for file in path.iterdir()
        if file.suffix.lower() in PICTURES and not file.name.startswith(".")
    ]
    if not files:
        raise ImageError(f"{path}: has no pictures; {', '.join(PICTURES)} are read")
    return sorted(files, key=_order)


def frame_durations(frames: Sequence[Source]) -> list[float]:
    """The milliseconds that each frame is shown: those of the GIF or video, else 100."""
    durations = frames.durations if isinstance(frames, _Gif | _Movie) else ()
    return list(itertools.islice(shown_for(durations), len(frames)))


def frame_numbers(frames: Sequence[Source]) -> list[int]:
    """The last number in each frame's file name; 1, 2, ... for frames without one."""
    last = []
    for frame in frames:
        numbers = re.findall(r"\d+", Path(called("", frame)).stem)
        if not numbers:
            return list(range(1, len(frames) + 1))
        last.append(int(numbers[-1]))
    return last


def check_frames(frames: Sequence[Source]) -> tuple[int, int]:
    """The (height, width) of the frames; reads each frame once.

    Raises:
        ImageError: there are none, one cannot be read, or one differs in size from the first.
    """
    first = None
    for number, frame in enumerate(frames, 1):
        name = f"frame {number}"
        shape = open_picture(name, frame).image.shape[:2]
        first = first or shape
        if shape != first:
            raise ImageError(
                f"{called(name, frame)}: {shape[0]} x {shape[1]} pixels; "
                f"the first frame has {first[0]} x {first[1]}"
            )
    if first is None:
        raise ImageError("there are no frames")
    return first


class _Gif(Sequence[Source]):
    """The frames of a GIF, decoded one after the other."""

    def __init__(self, path: Path):
        self._path = path
        data = read_bytes(path)
        with reading(path):
            try:
                self._file = PillowImage.open(io.BytesIO(data))
            except UnidentifiedImageError:
                refuse_format(data)
            self._count = getattr(self._file, "n_frames", 1)
            self.durations = [self._duration(number) for number in range(self._count)]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        with reading(self._path):
            self._file.seek(number)
            return self._file.convert("RGBA")

    def _duration(self, number: int) -> int:
        self._file.seek(number)
        return int(self._file.info.get("duration") or FRAME_MILLISECONDS)


class _Movie(Sequence[Source]):
    """The frames of a video, decoded in order; for an earlier one decoding starts again."""

    def __init__(self, path: Path):
        self._path = path
        self.durations = movie_durations(path)
        if not self.durations:
            raise ImageError(f"{path}: holds no frames")
        self._following, self._next = movie_frames(path), 0

    def __len__(self) -> int:
        return len(self.durations)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        if number < self._next:
            self._following, self._next = movie_frames(self._path), 0
        for frame in self._following:
            self._next += 1
            if self._next > number:
                return frame
        raise ImageError(f"{self._path}: holds fewer frames than when it was opened")


def _order(path: Path) -> list[Any]:
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts]
