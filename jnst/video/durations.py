"""How long each frame of a video is shown."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from jnst.common.validation import finite_number

FRAME_MILLISECONDS = 100
"""Of a frame of which nothing is said."""

LONGEST_SHOWN = 655_350
"""Milliseconds: a GIF counts hundredths of a second in two bytes."""

SLOWEST, FASTEST, FASTEST_GIF = 0.01, 1000, 100
"""Frames per second that are written."""


def shown_for(
    milliseconds: Sequence[float] = (), fps: float | None = None, *, fastest: float = FASTEST
) -> Iterator[float]:
    """Milliseconds of one frame after the other without end: at a rate, or as given, then 100.

    Raises:
        ValueError: both are given, or `fps` is no finite number of at least 0.01 and at most
            `fastest`.
    """
    if fps is None:
        return itertools.chain(milliseconds, itertools.repeat(FRAME_MILLISECONDS))
    if len(milliseconds):
        raise ValueError("fps and milliseconds are both given; one of them is accepted")
    fps = finite_number("fps", fps, minimum=SLOWEST, maximum=fastest)
    return itertools.repeat(1000 / fps)


def gif_milliseconds(milliseconds: Iterable[float]) -> Iterator[int]:
    """Each as a GIF has it, in whole hundredths of a second, at least one.

    What one frame loses by that the next ones make up for, so that a rate is kept on average.
    """
    ahead = 0.0
    for each in milliseconds:
        due = min(each, LONGEST_SHOWN) - ahead
        shown = min(max(10, 10 * round(due / 10)), LONGEST_SHOWN)
        ahead = shown - due
        yield shown
