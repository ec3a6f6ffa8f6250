"""The gate for pictures: every kind that is taken, and what is said of the others."""

import io
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jnst.images.encoding import save_image
from jnst.images.files import ImageError
from jnst.images.sources import check_aspect, listed, numbered, open_picture

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (5, 4, 3)).astype(np.uint8)
BYTES[0, 0, 0], BYTES[-1, -1, -1] = 0, 255
ALPHA = np.linspace(0, 255, 20).astype(np.uint8).reshape(5, 4)
UNIT = BYTES.astype(np.float32) / 255


class Tensor:
    """What other libraries have: no ndarray, but NumPy can read it, and so can a loop."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array

    def __iter__(self):
        return map(Tensor, self.array)


@pytest.mark.parametrize(
    "source",
    [
        BYTES,
        BYTES.astype(np.uint16) * 257,
        (BYTES.astype(np.uint16) * 257).astype(">u2"),
        UNIT,
        UNIT.astype(float),
        jnp.asarray(UNIT),
        jnp.asarray(BYTES),
        Tensor(BYTES),
        Tensor(UNIT),
        Image.fromarray(BYTES),
        np.asfortranarray(UNIT),
        UNIT + 9e-5 * (UNIT.max() == UNIT) - 9e-5 * (UNIT.min() == UNIT),
        np.dstack([BYTES, np.full_like(ALPHA, 255)]),
    ],
)
def test_one_picture_in_every_kind_of_array(source):
    picture = open_picture("content", source)
    assert picture.alpha is None
    assert picture.image.dtype == np.float32 and picture.image.flags.c_contiguous
    np.testing.assert_allclose(picture.image, UNIT, atol=1e-6)
    assert picture.image.min() >= 0 and picture.image.max() <= 1


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_floats_of_two_bytes(dtype):
    picture = open_picture("content", jnp.asarray(UNIT, dtype))
    np.testing.assert_allclose(picture.image, UNIT, atol=2**-8)


def test_gray_is_every_channel():
    for gray in (UNIT[..., 0], UNIT[..., :1], BYTES[..., 0], Image.fromarray(BYTES[..., 0])):
        image = open_picture("content", gray).image
        np.testing.assert_allclose(image, np.dstack([UNIT[..., 0]] * 3), atol=1e-6)


def test_a_picture_is_not_changed_and_not_shared():
    image = open_picture("content", UNIT).image
    image[:] = 0
    assert UNIT.max() > 0


def saved(picture, format):
    file = io.BytesIO()
    picture.save(file, format)
    return Image.open(file)


def test_transparency_is_kept_whatever_it_comes_in(tmp_path):
    rgba = np.dstack([BYTES, ALPHA])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    expected = open_picture("content", tmp_path / "a.png")
    np.testing.assert_allclose(expected.alpha, ALPHA / 255, atol=1e-6)
    for source in (rgba, rgba / 255, Image.fromarray(rgba), saved(Image.fromarray(rgba), "PNG")):
        picture = open_picture("content", source)
        np.testing.assert_allclose(picture.image, expected.image, atol=1e-6)
        np.testing.assert_allclose(picture.alpha, expected.alpha, atol=1e-6)


def of_mode(mode):
    picture = Image.fromarray(np.dstack([BYTES, ALPHA]))
    match mode:
        case "P":
            picture = picture.convert("RGB").quantize(8)
            picture.info["transparency"] = 3
        case "I;16":
            picture = Image.fromarray(BYTES[..., 0].astype(np.uint16) * 256)
        case _:
            picture = picture.convert("RGB" if mode == "CMYK" else "RGBA").convert(mode)
    return picture


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        *[(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
        *[("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("RGB", "JPEG")],
    ],
)
def test_a_pil_image_is_what_its_file_is(tmp_path, mode, format):
    picture = of_mode(mode)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right
    path = tmp_path / f"a.{format.lower()}"
    picture.save(path, format, exif=exif)
    expected = open_picture("content", path)
    with Image.open(path) as opened:
        given = open_picture("content", opened)
    np.testing.assert_array_equal(given.image, expected.image)
    np.testing.assert_array_equal(given.alpha, expected.alpha)
    if format == "PNG":  # in memory, as it was made
        made = open_picture("content", picture)
        np.testing.assert_allclose(np.rot90(made.image, -1), expected.image, atol=1e-6)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "style 2 is None; a path, a PIL image, or an array is accepted"),
        (3, "style 2 is of type int; a path"),
        (b"a.png", "style 2 is of type bytes"),
        ([[0.5]], "style 2 is of type list"),
        (UNIT * 255, "style 2 has values from 0 to 255; floats in .0, 1. or uint8 are accepted"),
        (UNIT + 2e-4, r"style 2 has values from 0\.0002 to 1\.0002"),
        (UNIT - 0.5, r"style 2 has values from -0\.5 to 0\.5"),
        (np.where(UNIT == 0, np.nan, UNIT), "style 2 is NaN in 2 of 60 values"),
        (np.where(UNIT == 0, np.inf, UNIT), "style 2 has infinite values"),
        (UNIT[:0], r"style 2 is empty: its shape is \(0, 4, 3\)"),
        (UNIT > 0.5, r"style 2 is bool of shape \(5, 4, 3\); uint8, uint16 or floats"),
        (UNIT * 1j, r"style 2 is complex64 of shape"),
        (UNIT.astype(object), "style 2 is object of shape"),
        (BYTES.astype(int), "style 2 is int64 of shape"),
        (np.moveaxis(UNIT, -1, 0)[..., :2], r"style 2 is float32 of shape .3, 5, 2."),
        (UNIT[..., :2], r"style 2 is float32 of shape \(5, 4, 2\); \(height, width\)"),
        (UNIT[None], r"style 2 is float32 of shape \(1, 5, 4, 3\)"),
        (UNIT[0, 0], r"style 2 is float32 of shape \(3,\)"),
        (Image.new("F", (3, 3), 200), "style 2: cannot be read .* has values from 200 to 200"),
        (Image.new("I", (3, 3), 200), "style 2: cannot be read .*I;16 or L"),
        (Image.new("RGB", (0, 3)), "style 2: cannot be read"),
    ],
)
def test_refusals(source, message):
    with pytest.raises(ValueError, match=message):
        open_picture("style 2", source)


@pytest.mark.parametrize(
    "url",
    ["https://a.org/b.png", "S3://a/b.png", "file:///a.png", "data:image/png;base64," + "A" * 9000],
)
def test_a_url_is_refused_as_one(url):
    for source in (url, Path(url)):
        with pytest.raises(ImageError, match=r"^'.{4,80} is a URL; download it first$"):
            open_picture("content", source)


def test_an_array_of_another_device_says_so():
    class Distant:
        def __array__(self):
            raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse .cpu()")

    with pytest.raises(ValueError, match=r"start cannot be read as an array \(can't .* Use .cpu"):
        open_picture("start", Distant())


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ("a.png", 1),
        (UNIT, 1),
        (UNIT[..., 0], 1),
        (Tensor(UNIT), 1),
        (Image.fromarray(BYTES), 1),
        (UNIT[None], 1),
        (np.stack([UNIT] * 3), 3),
        (jnp.stack([jnp.asarray(UNIT)] * 3), 3),
        (Tensor(np.stack([UNIT] * 3)), 3),
        (["a.png", UNIT], 2),
        ((UNIT, UNIT), 2),
        ((each for each in "abc"), 3),
        ([], 0),
    ],
)
def test_one_or_several(given, count):
    assert len(listed("style", given)) == count


@pytest.mark.parametrize("given", [None, 3, b"a.png", {"a": UNIT}])
def test_neither_one_nor_several(given):
    with pytest.raises(ValueError, match=r"styles is .*a path, a PIL image, or an array"):
        listed("styles", given)


def test_names():
    assert numbered("style", ["a"]) == [("style", "a")]
    assert numbered("style", ["a", "b"]) == [("style 1", "a"), ("style 2", "b")]


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(16, 5000))
def test_any_size_of_one_aspect(height, width, longer):
    scale = longer / max(height, width)
    check_aspect(
        "mask", (max(1, round(height * scale)), max(1, round(width * scale))), (height, width)
    )


@given(st.integers(50, 5000), st.integers(50, 5000), st.booleans())
def test_another_aspect(height, width, wider):
    with pytest.raises(ValueError, match=r"mask is .*any size of the same aspect is accepted"):
        check_aspect(
            "mask", (height, width + 2 * width // 10 if wider else width * 8 // 10), (height, width)
        )


def test_what_save_image_takes(tmp_path):
    def again(image, **options):
        save_image(tmp_path / "a.png", image, **options)
        return open_picture("", tmp_path / "a.png")

    np.testing.assert_array_equal(again(BYTES).image, UNIT)
    np.testing.assert_array_equal(again(BYTES[..., 0]).image[..., 2], UNIT[..., 0])
    np.testing.assert_allclose(again(np.dstack([BYTES, ALPHA])).alpha, ALPHA / 255, atol=1e-6)
    np.testing.assert_array_equal(
        again(3 * UNIT - 1).image, np.rint((3 * UNIT - 1).clip(0, 1) * 255) / np.float32(255)
    )
