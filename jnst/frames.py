"""The frames of a sequence, one in memory at a time: a folder of pictures, or a GIF."""

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from jnst.image_files import ImageError, read_bytes, reading
from jnst.sources import Source, called, open_picture

FRAME_MILLISECONDS = 100

PICTURES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"),
    *(".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".avif"),
)
"""Files of a folder that are frames; hidden ones, as other systems leave them, are not."""


def open_frames(path: str | os.PathLike[str]) -> Sequence[Source]:
    """The frames of a GIF, or the pictures in a folder, in the order of the numbers in their names.

    Those of a folder are their paths. Those of a GIF are read when they are asked for.

    Raises:
        ImageError: there is no such file or folder, it holds no picture, or it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise ImageError(f"{path}: there is no such folder or GIF")
    if not path.is_dir():
        return _Gif(path)
    files = [
        file
        for file in path.iterdir()
        if file.suffix.lower() in PICTURES and not file.name.startswith(".")
    ]
    if not files:
        raise ImageError(f"{path}: holds no pictures; {', '.join(PICTURES)} are read")
    return sorted(files, key=_order)


def frame_durations(frames: Sequence[Source]) -> list[int]:
    """How long each frame is shown, in milliseconds: as the GIF says, else 100."""
    durations = frames.durations if isinstance(frames, _Gif) else []
    return [*durations, *[FRAME_MILLISECONDS] * (len(frames) - len(durations))]


def frame_numbers(frames: Sequence[Source]) -> list[int]:
    """The last number in the name of each frame; from 1 on if they are no files or have none."""
    found = [re.findall(r"\d+", Path(called("", frame)).stem) for frame in frames]
    if not all(found):
        return list(range(1, len(frames) + 1))
    return [int(numbers[-1]) for numbers in found]


def check_frames(frames: Sequence[Source]) -> tuple[int, int]:
    """The (height, width) of the frames, each of which is read once.

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
    """The frames of one file, decoded one after the other."""

    def __init__(self, path: Path):
        self._path = path
        data = read_bytes(path)
        with reading(path):
            self._file = PillowImage.open(io.BytesIO(data))
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


def _order(path: Path) -> list[Any]:
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts]
