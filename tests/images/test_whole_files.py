"""Files that every viewer shows whole, files that are not, and files that are no pictures."""

import io
import logging
import struct
import threading
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from jnst.images import decoding, loading
from jnst.images.files import ImageError
from jnst.images.loading import load_image, load_picture
from jnst.images.quiet import quiet_decoders
from jnst.images.resizing import resize_image

rows, columns = np.mgrid[:75, :103]
PIXELS = np.stack([3 * rows, 2 * columns, rows + columns], -1).astype(np.uint8)
BROKEN_EXIF = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0"


def encoded(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def read(tmp_path, data, **options):
    (tmp_path / "picture").write_bytes(data)
    return load_picture(tmp_path / "picture", **options).image


def with_texts(*texts, **chunks):
    info = PngImagePlugin.PngInfo()
    for text in texts:
        info.add_text("Comment", text, zip=len(text) > 99)
    for name, data in chunks.items():
        info.add(name.encode(), data)
    return encoded("PNG", pnginfo=info)


def damaged(data, name):
    """The file with another checksum of one of its chunks."""
    place = data.index(name) - 4
    [length] = struct.unpack_from(">I", data, place)
    end = place + 8 + length
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}, {"restart_marker_blocks": 3}],
)
def test_jpeg_without_its_end_but_with_all_its_pixels(tmp_path, options):
    whole = encoded("JPEG", **options)
    expected = read(tmp_path, whole)
    for cut in (1, 2):
        np.testing.assert_array_equal(read(tmp_path, whole[:-cut]), expected)
    np.testing.assert_array_equal(read(tmp_path, whole + b"more" * 99), expected)
    for cut in (*range(3, 40), *range(40, len(whole) - 700, 97)):
        try:
            image = read(tmp_path, whole[:-cut])
        except ImageError as error:
            assert "truncated" in str(error)
        else:  # the last bits may be none of a pixel
            np.testing.assert_array_equal(image, expected)
            assert cut < 6


@pytest.mark.parametrize(
    "data",
    [
        damaged(with_texts("hello"), b"tEXt"),
        damaged(with_texts(tIME=bytes(7)), b"tIME"),
        damaged(encoded("PNG", icc_profile=b"profile"), b"iCCP"),
        damaged(encoded("PNG", exif=BROKEN_EXIF), b"eXIf"),
        with_texts("x" * 3_000_000),
        with_texts(*["x" * 20_000_000] * 4),
        encoded("PNG", exif=BROKEN_EXIF),
        encoded("PNG")[:-12],
        encoded("PNG")[:-5],
        encoded("PNG") + b"more" * 99,
        encoded("GIF")[:-1],
        encoded("WEBP", exif=BROKEN_EXIF, lossless=True),
        encoded("BMP") + b"more",
        encoded("PPM"),
        encoded("MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]),
        encoded("JPEG", exif=BROKEN_EXIF),
    ],
)
def test_what_every_viewer_shows_is_read(tmp_path, data):
    tolerance = 0.05 if data[:3] in (b"\xff\xd8\xff", b"GIF") else 1e-6
    np.testing.assert_allclose(read(tmp_path, data), PIXELS / 255, atol=4 * tolerance)


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_critical_chunks_are_not_damaged(tmp_path, name):
    with pytest.raises(ImageError, match=f"checksum of its chunk {name.decode()} is wrong"):
        read(tmp_path, damaged(encoded("PNG"), name))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC: save it as JPEG or PNG first"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC: save it as JPEG or PNG first"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "a raw photograph: develop it"),
        (b"FUJIFILMCCD-RAW 0201", "a raw photograph"),
        (b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg xmlns=''>", "SVG: export it as PNG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\n<!DOCTYPE html><html>", "a web page: download the picture itself"),
        (b"\0\0\0\x18ftypisom", "a video"),
    ],
)
def test_what_to_do_about_other_formats(tmp_path, data, message):
    with pytest.raises(ImageError, match=message):
        read(tmp_path, data)


# TIFF


def pages(*written):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for pixels, options in written:
            file.write(pixels, photometric="rgb", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "jpeg"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_preview_is_not_the_picture(tmp_path, dtype, compression, nested):
    if dtype == np.uint16 and compression:
        compression = "zlib"
    full, preview = PIXELS.astype(dtype), PIXELS[::8, ::8].astype(dtype)
    first = preview, {"subfiletype": 1, "subifds": 1 if nested else None}
    data = pages(first, (full, {"subfiletype": 0, "compression": compression}))
    expected = PIXELS / np.iinfo(dtype).max
    atol = 0.03 if compression == "jpeg" else 1e-6
    np.testing.assert_allclose(read(tmp_path, data), expected, atol=atol)
    with pytest.raises(ImageError, match="only a reduced preview of a picture"):
        read(tmp_path, pages((preview, {"subfiletype": 1})))


def test_a_raw_photograph_with_a_preview(tmp_path):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(PIXELS[::8, ::8], photometric="rgb", subfiletype=1, subifds=1)
        file.write(PIXELS[..., 0], photometric="cfa", subfiletype=0)
    with pytest.raises(ImageError, match="a raw photograph: develop it"):
        read(tmp_path, buffer.getvalue())


@pytest.mark.parametrize("largest", [255, 65535])
def test_floats_of_another_range_are_refused(tmp_path, largest):
    data = pages(((PIXELS / 255 * largest).astype(np.float32), {}))
    with pytest.raises(ImageError, match=r"floats from 0 to \d+.*; \[0, 1\] is accepted"):
        read(tmp_path, data)


# Colors that a PNG says without a profile


def srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def light(code):
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("gamma", [100_000, 55_556, 45_455, 45_000, 0])
def test_gamma(tmp_path, gamma):
    data = with_texts(gAMA=struct.pack(">I", gamma))
    expected = PIXELS / 255
    if gamma > 50_000:
        expected = srgb(expected ** (100_000 / gamma))
    np.testing.assert_allclose(read(tmp_path, data), expected, atol=3e-3)
    data = with_texts(gAMA=struct.pack(">I", gamma), sRGB=b"\0")
    np.testing.assert_allclose(read(tmp_path, data), PIXELS / 255, atol=1e-6)


def xyz_matrix(white, *primaries):
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (white, *primaries)]).T
    return columns[:, 1:] * np.linalg.solve(columns[:, 1:], columns[:, 0])


def test_primaries(tmp_path):
    white, p3 = (0.3127, 0.329), ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
    rec709 = (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)
    change = np.linalg.inv(xyz_matrix(white, *rec709)) @ xyz_matrix(white, *p3)
    expected = srgb((light(PIXELS / 255) @ change.T).clip(0, 1))
    numbers = [round(1e5 * value) for point in (white, *p3) for value in point]
    by_points = with_texts(gAMA=struct.pack(">I", 45_455), cHRM=struct.pack(">8I", *numbers))
    for data in (by_points, with_texts(cICP=bytes([12, 13, 0, 1]))):
        np.testing.assert_allclose(read(tmp_path, data), expected, atol=6e-3)
    srgb_code = with_texts(cICP=bytes([1, 13, 0, 1]), gAMA=struct.pack(">I", 100_000))
    np.testing.assert_allclose(read(tmp_path, srgb_code), PIXELS / 255, atol=1e-6)


# Large files are decoded small


def large(alpha=False):
    y, x = np.mgrid[:600, :811] / 100
    waves = [np.sin(x * 3 + y), np.cos(2 * y - x), np.sin(x * y)] + [np.sin(5 * y) * 2] * alpha
    return (np.stack(waves, -1).clip(-1, 1) * 127 + 128).astype(np.uint8)


def saved(path, kind):
    match kind:
        case "jpeg":
            exif = Image.Exif()
            exif[274] = 6
            Image.fromarray(large()).save(path, "JPEG", quality=98, exif=exif)
        case "palette":
            Image.fromarray(large()).quantize(64).save(path, "PNG", transparency=3)
        case "deep":
            tifffile.imwrite(path, large().astype(np.uint16) * 257, photometric="rgb")
        case "alpha":
            Image.fromarray(large(alpha=True)).save(path, "PNG")


@pytest.mark.parametrize("kind", ["jpeg", "palette", "deep", "alpha"])
@pytest.mark.parametrize("size", [100, 101, 203, 600])
def test_decoded_small_is_decoded_and_resized(tmp_path, kind, size):
    saved(tmp_path / "a", kind)
    whole, small = load_picture(tmp_path / "a"), load_picture(tmp_path / "a", size=size)
    expected = resize_image(whole.image, small.image.shape[:2])
    assert max(small.image.shape) == size
    np.testing.assert_allclose(small.image, expected, atol=0.06)
    assert np.abs(small.image - expected).mean() < 2e-3
    np.testing.assert_array_equal(load_image(tmp_path / "a", size=size), small.image)
    if whole.alpha is not None:
        expected = resize_image(whole.alpha, small.image.shape[:2])
        assert np.abs(small.alpha - expected).mean() < 2e-3


def test_small_pictures_are_not_enlarged_and_narrow_ones_not_lost(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert load_picture(tmp_path / "a.png", size=400).image.shape == (75, 103, 3)
    Image.fromarray(np.repeat(PIXELS[:70], 20, 1)).save(tmp_path / "b.png")
    assert load_picture(tmp_path / "b.png", size=100).image.shape[0] >= 64


def test_hidden_colors_do_not_bleed(tmp_path):
    pixels = np.zeros((512, 512, 4), np.uint8)
    pixels[..., 1] = 255
    pixels[:, :255] = 255, 0, 0, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png", size=64)
    assert (picture.image[..., 1] >= 1 - picture.alpha - 0.01).all()
    np.testing.assert_allclose(picture.image[..., 1], 1 - picture.alpha, atol=0.01)


# Threads


def test_readers_at_once_leave_nothing_of_the_process_changed(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS.astype(np.uint16), photometric="rgb")
    logger = tifffile.logger()
    before = logger.disabled, list(logger.filters), list(warnings.filters)
    first_inside, second_done = threading.Event(), threading.Event()
    decode = decoding.decode

    def slowly(data, size=None):
        if threading.current_thread().name == "first":
            first_inside.set()
            assert second_done.wait(10)
        return decode(data, size)

    monkeypatch.setattr(loading, "decode", slowly)
    first = threading.Thread(target=load_image, args=[path], name="first")
    first.start()
    assert first_inside.wait(10)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
    load_image(path)  # begins after the first and ends before it
    second_done.set()
    first.join()
    assert before == (logger.disabled, list(logger.filters), list(warnings.filters))


def test_only_the_thread_that_decodes_is_quiet(caplog):
    def warn():
        logging.getLogger("tifffile").warning("a record")
        warnings.warn("a warning", stacklevel=1)

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet_decoders():
            warn()
            assert not heard and not caplog.records
            other = threading.Thread(target=warn)
            other.start()
            other.join()
        assert len(heard) == len(caplog.records) == 1
        warn()
        assert len(heard) == len(caplog.records) == 2
