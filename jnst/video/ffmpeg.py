"""The program ffmpeg, which the package imageio-ffmpeg brings."""

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
    """Where the program is.

    Raises:
        ImageError: it is not installed; the message says of which file it is needed.
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
    """Within it the program runs, in a folder, and what it writes is read; then it has to end well.

    It has no part in the Ctrl-C of a terminal, and is ended with the block.

    Raises:
        ImageError: it fails: `path`, what `failed`, and its own words.
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
    """The first of its words, without who said them."""
    if "matches no streams" in said:
        return "holds no video that can be read"
    if "not on whitelist" in said:
        return "is of another format than its suffix says"
    first, *_ = [*filter(None, said.splitlines()), "ffmpeg was ended"]
    return f"{failed} ({_SPEAKER.sub('', first).strip().rstrip('.')})"
