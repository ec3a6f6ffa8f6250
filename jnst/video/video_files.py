"""Writing of a video as a folder, a GIF or an mp4, and continuing an unfinished one."""

import contextlib
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from jnst.common.array_files import DAMAGED, load_arrays, save_arrays, state_versions
from jnst.common.atomic import LONGEST_NAME, atomic_path, remove_unfinished
from jnst.images.files import file_digest
from jnst.runs.results import Result
from jnst.settings.config import Config
from jnst.video.durations import gif_milliseconds
from jnst.video.gif_files import TRAILER, gif_frame
from jnst.video.movie_files import write_mp4
from jnst.video.sequences import VideoState


def video_key(
    config: Config,
    frame_steps: int | None,
    network: str,
    files: Iterable[Iterable[str | os.PathLike[str]]],
    *,
    fps: float | None = None,
) -> str:
    """A digest of everything that a video is made from: settings, network and files.

    `files` are in groups: the frames, the styles, and so on.
    """
    digests = [[file_digest(file) for file in group] for group in files]
    made_from = [config.plain(), frame_steps, network, state_versions(), digests, fps]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


class VideoFolder:
    """A video as a folder of frame-0001.png, frame-0002.png, ...

    `written` has the checksum of each written frame.
    """

    def __init__(self, path: Path):
        self.path, self.written = path, list[int]()
        self.growing = path

    def write(self, result: Result) -> None:
        """Write the next frame."""
        self.growing.mkdir(parents=True, exist_ok=True)
        path = self._frame(len(self.written))
        result.save(path)
        self.written = [*self.written, zlib.crc32(path.read_bytes())]

    def goes_on(self, written: list[int]) -> bool:
        """Continue after the frames of an earlier run; False if they are missing or changed."""
        for number, checksum in enumerate(written):
            frame = self._frame(number)
            if not frame.is_file() or zlib.crc32(frame.read_bytes()) != checksum:
                return False
        self.written = written
        return True

    def finish(self) -> None:
        """Do nothing: the video is complete with its last frame."""

    def _frame(self, number: int) -> Path:
        return self.growing / f"frame-{number + 1:04}.png"


class VideoMp4(VideoFolder):
    """A video as an mp4; until the end its frames are in a hidden folder beside it."""

    def __init__(self, path: Path, durations: Sequence[float]):
        super().__init__(path)
        self.growing, self._durations = _beside(path, "frames"), durations

    def finish(self) -> None:
        """Write the file, then remove the folder."""
        frames = [self._frame(number) for number in range(len(self.written))]
        write_mp4(self.path, frames, self._durations)
        shutil.rmtree(self.growing)


class VideoGif:
    """A video as a GIF, to which each frame is appended.

    `written` has the number of frames, their bytes, and the checksum of these bytes.
    """

    def __init__(self, path: Path, durations: Sequence[float]):
        self.path = self.growing = path
        self.written, self._durations = [0, 0, 0], list(gif_milliseconds(durations))

    def write(self, result: Result) -> None:
        """Append the next frame; if that fails, the file keeps the frames before it."""
        count, end, checksum = self.written
        blocks = gif_frame(result.image, milliseconds=self._durations[count], first=not count)
        if count:
            self._append(end, blocks)
        else:
            with atomic_path(self.path) as temporary:
                temporary.write_bytes(blocks + TRAILER)
        self.written = [count + 1, end + len(blocks), zlib.crc32(blocks, checksum)]

    def _append(self, end: int, blocks: bytes) -> None:
        with self.path.open("rb+") as file:
            try:
                file.seek(end)
                file.write(blocks + TRAILER)
                file.truncate()
                file.flush()
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.pwrite(file.fileno(), TRAILER, end)
                    os.truncate(self.path, end + len(TRAILER))
                error.filename = os.fspath(self.path)
                raise

    def goes_on(self, written: list[int]) -> bool:
        """Continue after the frames of an earlier run; False if they are missing or changed."""
        _, end, checksum = written
        if not self.path.is_file() or zlib.crc32(self.path.read_bytes()[:end]) != checksum:
            return False
        self.written = written
        return True

    def finish(self) -> None:
        """Do nothing: the video is complete with its last frame."""


def video_writer(path: Path, milliseconds: Sequence[float]) -> VideoFolder | VideoGif:
    """The writer for a video, by its suffix; `milliseconds` is the time of each frame."""
    suffix = path.suffix.lower()
    if suffix == ".gif":
        return VideoGif(path, milliseconds)
    return VideoMp4(path, milliseconds) if suffix == ".mp4" else VideoFolder(path)


class UnfinishedVideo:
    """The file `.NAME.unfinished` beside a video, which exists until the video is complete."""

    def __init__(self, video: VideoFolder | VideoGif, key: str):
        self._video, self._key = video, key
        self.path = _beside(video.path, "unfinished")

    def load(self) -> VideoState | None:
        """The state of an earlier run with the same key; None if there is none to continue."""
        try:
            label, arrays = load_arrays(self.path)
            if label["key"] == self._key and self._video.goes_on(label["written"]):
                return VideoState(label["done"], arrays["image"], arrays["painted"])
        except DAMAGED:
            pass
        return None

    def save(self, state: VideoState) -> bool:
        """Write the state of the run; False if the file cannot be written."""
        label = {"key": self._key, "written": self._video.written, "done": state.done}
        try:
            save_arrays(self.path, label, {"image": state.image, "painted": state.painted})
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove the file, and temporary files of killed runs; the video is complete."""
        with contextlib.suppress(OSError):  # it was not writable either
            self.path.unlink()
        with contextlib.suppress(OSError):
            ours = {self.path.name, self._video.path.name}
            remove_unfinished(self.path.parent, ours.__contains__)


def _beside(path: Path, suffix: str) -> Path:
    """The path of a hidden file beside a video."""
    name = os.fsdecode(os.fsencode(path.name)[:LONGEST_NAME])
    return path.absolute().with_name(f".{name}.{suffix}")
