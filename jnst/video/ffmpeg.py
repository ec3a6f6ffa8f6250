"""Running ffmpeg, which is in the package imageio-ffmpeg."""

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jnst.images.files import ImageError

_SPEAKER = re.compile(r"^(\[[^\]]* @ [^\]]*\] *)+")


def find_ffmpeg(path: str | os.PathLike[str]) -> str:
    """The path of the program.

    Raises:
        ImageError: it is not installed; the message names the file that needs it.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ImageError(
            f"{path}: a video file needs imageio-ffmpeg: pip install 'jnst[video]'"
        ) from None
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise ImageError(f"{path}: a video file needs ffmpeg ({error})") from None


@contextlib.contextmanager
def ffmpeg(
    path: Path, *arguments: str, failed: str, folder: Path | None = None
) -> Iterator[IO[bytes]]:
    """A context in which ffmpeg runs in a folder, and its standard output can be read.

    Ctrl-C in the terminal does not reach it; it is ended at the end of the block.

    Raises:
        ImageError: it fails; the message has `path`, `failed` and the error of ffmpeg.
    """
    command = [find_ffmpeg(path), "-nostdin", "-v", "error", *arguments]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        if status:
            said.seek(0)
            raise ImageError(f"{path}: {_reason(said.read().decode(errors='replace'), failed)}")


def _reason(said: str, failed: str) -> str:
    """The first error of ffmpeg, without the name of the part that reports it."""
    if "matches no streams" in said:
        return "holds no video that can be read"
    if "not on whitelist" in said:
        return "is of another format than its suffix says"
    first, *_ = [*filter(None, said.splitlines()), "ffmpeg was ended"]
    return f"{failed} ({_SPEAKER.sub('', first).strip().rstrip('.')})"
