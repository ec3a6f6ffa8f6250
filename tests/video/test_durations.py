import itertools

import numpy as np
import pytest

from jnst.video.durations import gif_milliseconds, shown_for


def first(count, values):
    return list(itertools.islice(values, count))


def test_a_rate_or_times_or_neither():
    assert first(3, shown_for()) == [100, 100, 100]
    assert first(3, shown_for([40, 60.5])) == [40, 60.5, 100]
    assert first(2, shown_for(fps=np.float32(12.5))) == [80, 80]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 101, 0.001, "12", True])
def test_rates_that_cannot_be(fps):
    with pytest.raises(ValueError, match=r"fps is .*at least 0.01 and at most 100 is accepted"):
        shown_for(fps=fps, fastest=100)
    with pytest.raises(ValueError, match="fps and milliseconds are both given"):
        shown_for([40], fps)


@pytest.mark.parametrize("fps", [10, 12, 23.976, 24, 25, 29.97, 30, 50, 60, 100])
def test_a_gif_keeps_a_rate_on_average(fps):
    exact = first(1000, shown_for(fps=fps))
    shown = list(gif_milliseconds(exact))
    assert all(each % 10 == 0 and abs(each - 1000 / fps) < 10 for each in shown)
    assert np.abs(np.cumsum(shown) - np.cumsum(exact)).max() < 5.01
    if fps in (10, 25, 50, 100):
        assert set(shown) == {1000 / fps}


def test_what_a_gif_cannot_count_is_cut_off():
    assert list(gif_milliseconds([10**9, 40, 0, 40])) == [655_350, 40, 10, 30]
