"""Reading the frames of video files, and writing mp4 files."""

import contextlib
import os
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PillowImage

from jnst.common.atomic import atomic_path
from jnst.images.encoding import save_image
from jnst.images.files import check_place, opened_file
from jnst.video.durations import FRAME_MILLISECONDS, shown_for
from jnst.video.ffmpeg import ffmpeg, find_ffmpeg

Image = Float[np.ndarray, "h w 3"]

MOVIES = (".mp4", ".mov", ".webm", ".mkv")
"""Suffixes of the video files that can be read; the first can be written."""

_CONTAINERS = "mov,matroska"
"""The formats that ffmpeg may read; others, such as playlists, could open other files."""

_CLOCK = 90_000  # ticks a second: a frame of any common rate is a whole number of them

_EXACT = "flags=accurate_rnd+full_chroma_int+full_chroma_inp"


def movie_durations(path: Path) -> list[float]:
    """The milliseconds that each frame is shown; decodes the whole file.

    Raises:
        ImageError: the file cannot be read, is damaged, or has no video; or there is no ffmpeg.
    """
    tick, starts, last = Fraction(0), list[int](), 0
    with _decoding(path, "-f", "framecrc", "-") as lines:
        for line in lines:
            if line.startswith(b"#tb"):
                tick = 1000 * Fraction(line.split()[-1].decode())
            elif not line.startswith(b"#"):
                start, last = map(int, line.split(b",")[2:4])
                starts.append(start)
    ends = [*starts[1:], starts[-1] + last] if starts else []
    shown = [float(tick * (end - start)) for start, end in zip(starts, ends, strict=True)]
    usual = statistics.median([each for each in shown if each > 0] or [FRAME_MILLISECONDS])
    return [each if each > 0 else usual for each in shown]  # the last one often has no duration


def movie_frames(path: Path) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yield the frames, upright and with square pixels.

    Raises:
        ImageError: as `movie_durations`.
    """
    square = f"scale=iw*sar:ih:{_EXACT},setsar=1,format=rgb24"
    with _decoding(path, "-vf", square, "-c:v", "ppm", "-f", "image2pipe", "-") as pipe:
        while pipe.readline():
            width, height = map(int, pipe.readline().split())
            pipe.readline()
            data = pipe.read(height * width * 3)
            if len(data) < height * width * 3:
                break
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def save_mp4(
    path: str | os.PathLike[str],
    frames: Iterable[Image],
    *,
    milliseconds: Sequence[float] = (),
    fps: float | None = None,
) -> None:
    """Write frames as an mp4, atomically, with a rate `fps` or `milliseconds`; by default 100 ms.

    A frame is (H, W, 3) sRGB in [0, 1]; `frames` may be a generator, and one frame is in memory at
    a time. The video is H.264, whose sides are even: an odd side is padded by repeating its last
    pixels. It needs imageio-ffmpeg.

    Raises:
        ValueError: there are no frames, or as `save_image`. ImageError: it cannot be written.
    """
    path = Path(path)
    durations = shown_for(milliseconds, fps)
    check_mp4(path)
    with tempfile.TemporaryDirectory(prefix=".jnst.", dir=path.absolute().parent) as folder:
        files, first = list[Path](), None
        for number, frame in enumerate(frames, 1):
            height, width = np.shape(frame)[:2]
            first = first or (height, width)
            if (height, width) != first:
                raise ValueError(
                    f"frame {number} has {height} x {width} pixels; "
                    f"the first one has {first[0]} x {first[1]}"
                )
            files.append(Path(folder, f"{number}.png"))
            save_image(files[-1], frame)
        if not files:
            raise ValueError("there are no frames")
        write_mp4(path, files, list(islice(durations, len(files))))


def check_mp4(path: Path) -> None:
    """Find out, before any work starts, whether an mp4 could be written to `path`.

    Raises:
        ImageError: as `check_place`, or there is no ffmpeg.
    """
    check_place(path)
    find_ffmpeg(path)


def write_mp4(path: Path, pictures: Sequence[Path], milliseconds: Sequence[float]) -> None:
    """Write an mp4 from picture files of one size in one folder, atomically.

    Raises:
        ImageError: it cannot be written.
    """
    folder, ends = pictures[0].absolute().parent, np.cumsum([0, *milliseconds]) / 1000
    ticks = np.diff(np.rint(ends * _CLOCK)).astype(int)
    shown = [
        f"file '{picture.name}'\noption framerate {_CLOCK}\nduration {tick / _CLOCK:.6f}\n"
        for picture, tick in zip(pictures, ticks, strict=True)
    ]
    # Frames that wait for later ones would be cut off at the start; the last one's own duration is
    # not in the list.
    last = f"setts=duration=if(eq(N\\,{len(ticks) - 1})\\,{ticks[-1]}\\,DURATION)"
    encoding = (
        *("-c:v", "libx264", "-crf", "16", "-bf", "0", "-bsf:v", last),
        *("-movflags", "+faststart", "-f", "mp4"),
    )
    with _listed(folder, "ffconcat version 1.0\n" + "".join(shown)) as name:
        given = ("-f", "concat", "-safe", "0", "-protocol_whitelist", "file", "-i", f"file:{name}")
        times = ("-fps_mode", "passthrough", "-enc_time_base", "demux")
        clock = ("-video_track_timescale", f"{_CLOCK}")
        filters = ("-vf", _to_yuv(pictures[0]))
        with atomic_path(path) as temporary:
            out = f"file:{temporary.absolute()}"
            arguments = (*given, *times, *filters, *encoding, *clock, out)
            with ffmpeg(path, *arguments, failed="cannot be written", folder=folder):
                pass


@contextlib.contextmanager
def _listed(folder: Path, text: str) -> Iterator[str]:
    """A context with the name of a new file in the folder that has this text."""
    path = folder / "frames.ffconcat"
    path.write_text(text, encoding="utf-8")
    try:
        yield path.name
    finally:
        path.unlink()


def _to_yuv(picture: Path) -> str:
    """The ffmpeg filters that convert a picture to the colors of H.264 and make its sides even."""
    with PillowImage.open(picture) as opened:
        right, bottom = opened.width % 2, opened.height % 2
    even = f"pad=iw+{right}:ih+{bottom},fillborders=0:{right}:0:{bottom}:mode=smear,"
    colors = f"scale=out_color_matrix=bt709:out_range=tv:{_EXACT},format=yuv420p,"
    said = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1"
    return f"format=gbrp,{even if right or bottom else ''}{colors}{said}"


def _decoding(path: Path, *output: str) -> contextlib.AbstractContextManager:
    """Run ffmpeg to decode a file: every frame once, at any rate, with its rotation applied."""
    with opened_file(path):
        pass
    safe = ("-xerror", "-protocol_whitelist", "file", "-format_whitelist", _CONTAINERS)
    times = ("-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "demux")
    arguments = (*safe, "-i", f"file:{path.absolute()}", *times, *output)
    return ffmpeg(path, *arguments, failed="cannot be read")
