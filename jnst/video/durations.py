"""The time that each frame of a video is shown."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from jnst.common.validation import finite_number

FRAME_MILLISECONDS = 100
"""Milliseconds of a frame without a duration."""

LONGEST_SHOWN = 655_350
"""Milliseconds: a GIF counts hundredths of a second in two bytes."""

SLOWEST, FASTEST, FASTEST_GIF = 0.01, 1000, 100
"""Limits of the frames per second that are written."""


def shown_for(
    milliseconds: Sequence[float] = (), fps: float | None = None, *, fastest: float = FASTEST
) -> Iterator[float]:
    """Yield the milliseconds of each frame, without end: `fps`, or as given and then 100.

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
    """Round durations for a GIF: whole hundredths of a second, at least one.

    The rounding error of a frame is added to the next frames, so that a rate is kept on average.
    """
    ahead = 0.0
    for each in milliseconds:
        due = min(each, LONGEST_SHOWN) - ahead
        shown = min(max(10, 10 * round(due / 10)), LONGEST_SHOWN)
        ahead = shown - due
        yield shown
