"""Files are written here by other libraries, or byte by byte, with values known in advance."""

import io
import json
import os
import stat
import struct
import warnings
import zlib
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import psutil
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageOps

from jnst.images import encoding
from jnst.images.encoding import read_recipe, save_image
from jnst.images.files import ImageError, check_writable
from jnst.images.loading import load_image, load_picture
from jnst.images.resizing import fit_size, resize_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
CURVES = (b"rTRC", b"gTRC", b"bTRC")
repeatable = settings(derandomize=True, deadline=None, max_examples=40)


def colors(height=11, width=14, channels=3, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).integers(
        0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True
    )
    return values if channels > 1 else values[..., 0]


def smooth(height=24, width=36):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows / height, columns / width, (rows + columns) / (height + width)], -1)


def png(array, *, interlaced=False, chunks=()):
    """A 16-bit PNG, made byte by byte: every row with another of the five filters, or Adam7."""
    height, width = array.shape[:2]
    samples = array.reshape(height, width, -1)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[-1]]
    adam7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
    adam7 += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    passes = adam7 if interlaced else [(0, 0, 1, 1)]
    body = b"".join(filtered(samples[y::dy, x::dx]) for y, x, dy, dx in passes)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, interlaced)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def filtered(samples):
    rows = samples.astype(">u2").reshape(samples.shape[0], -1).view(np.uint8).astype(int)
    if rows.size == 0:
        return b""
    step = 2 * samples.shape[-1]
    left = np.pad(rows, ((0, 0), (step, 0)))[:, :-step]
    up = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(left, ((1, 0), (0, 0)))[:-1]
    guess = left + up - corner
    distances = np.abs(np.stack([guess - left, guess - up, guess - corner]))
    paeth = np.choose(distances.argmin(0), [left, up, corner])
    predictions = [np.zeros_like(rows), left, up, (left + up) // 2, paeth]
    return b"".join(
        bytes([row % 5])
        + ((rows[row] - predictions[row % 5][row]) % 256).astype(np.uint8).tobytes()
        for row in range(len(rows))
    )


def icc(space, connection, tags):
    """An ICC profile of version 2."""
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(table + body), b"", 2 << 24, b"prtr", space, connection
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">III", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def exchanged_profile():
    """sRGB with red and green exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def xyz(*values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def linear_profile():
    """sRGB's primaries (adapted to D50), values proportional to light."""
    tags = {
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.43607, 0.22249, 0.01392),
        b"gXYZ": xyz(0.38515, 0.71687, 0.09708),
        b"bXYZ": xyz(0.14307, 0.06061, 0.7141),
    }
    return icc(b"RGB ", b"XYZ ", tags | {name: b"curv" + bytes(8) for name in CURVES})


def linear_gray_profile():
    tags = {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": b"curv" + bytes(8)}
    return icc(b"GRAY", b"XYZ ", tags)


def black_only_profile():
    """CMYK of which only the black ink prints: L* = 100 (1 - K)."""
    ramp = bytes(range(256))
    identity = struct.pack(">9I", *(65536 * (index % 4 == 0) for index in range(9)))
    nodes = b"".join(bytes([255 * (1 - index % 2), 128, 128]) for index in range(16))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * ramp + nodes + 3 * ramp
    return icc(b"CMYK", b"Lab ", {b"A2B0": table})


def srgb_encoded(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


# Reading


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".gif"])
def test_gray_and_bilevel_become_three_equal_channels(tmp_path, suffix):
    path = tmp_path / f"gray{suffix}"
    gray = colors(channels=1)
    Image.fromarray(gray).save(path)
    np.testing.assert_allclose(load_image(path), np.dstack([gray / 255.0] * 3), atol=1e-6)
    Image.fromarray(gray > 127).save(path)
    np.testing.assert_array_equal(load_image(path), np.dstack([gray > 127.0] * 3))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_rgb_is_read_exactly(tmp_path, suffix):
    path = tmp_path / f"rgb{suffix}"
    Image.fromarray(colors()).save(path, lossless=True)
    picture = load_picture(path)
    assert picture.alpha is None
    assert picture.image.dtype == np.float32
    np.testing.assert_allclose(picture.image, colors() / 255.0, atol=1e-6)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_colors_lie_over_white(tmp_path, suffix, channels):
    if channels == 2 and suffix == ".webp":
        pytest.skip("WebP has no gray")
    path = tmp_path / f"alpha{suffix}"
    samples = colors(channels=channels)
    Image.fromarray(samples).save(path, lossless=True, exact=True)
    picture = load_picture(path)
    alpha = samples[..., -1] / 255.0
    expected = samples[..., :-1] / 255.0 * alpha[..., None] + 1 - alpha[..., None]
    np.testing.assert_allclose(picture.alpha, alpha, atol=1e-6)
    np.testing.assert_allclose(picture.image, expected * np.ones(3), atol=1e-6)


def test_alpha_that_is_opaque_is_none(tmp_path):
    samples = colors(channels=4)
    samples[..., 3] = 255
    Image.fromarray(samples).save(tmp_path / "opaque.png")
    assert load_picture(tmp_path / "opaque.png").alpha is None


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palette_with_a_transparent_entry(tmp_path, suffix):
    path = tmp_path / f"palette{suffix}"
    indices = colors(channels=1) % 4
    palette = colors(1, 4)[0]
    file = Image.fromarray(indices).convert("P")
    file.putpalette(palette.tobytes())
    file.save(path)
    np.testing.assert_allclose(load_image(path), palette[indices] / 255.0, atol=1e-6)
    file.save(path, transparency=2)
    picture = load_picture(path)
    np.testing.assert_array_equal(picture.alpha, indices != 2)
    palette[2] = 255
    np.testing.assert_allclose(picture.image, palette[indices] / 255.0, atol=1e-6)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_sixteen_bits(tmp_path, channels, interlaced):
    path = tmp_path / "deep.png"
    samples = colors(channels=channels, dtype=np.uint16)
    path.write_bytes(png(samples, interlaced=interlaced))
    picture = load_picture(path)
    unit = samples.reshape(11, 14, -1) / 65535.0
    if channels in (2, 4):
        alpha = unit[..., -1:]
        np.testing.assert_allclose(picture.alpha, alpha[..., 0], atol=1e-7)
        unit = unit[..., :-1] * alpha + 1 - alpha
    np.testing.assert_allclose(picture.image, unit * np.ones(3), atol=2e-7)


def test_deep_png_with_a_transparent_color(tmp_path):
    path = tmp_path / "key.png"
    samples = colors(dtype=np.uint16)
    samples[3, 5] = 1000, 2000, 3000
    samples[4, 6] = 1000, 2000, 3001
    path.write_bytes(png(samples, chunks=[(b"tRNS", struct.pack(">HHH", 1000, 2000, 3000))]))
    picture = load_picture(path)
    assert picture.alpha is not None
    assert np.argwhere(picture.alpha == 0).tolist() == [[3, 5]]
    np.testing.assert_array_equal(picture.image[3, 5], 1)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.uint32, np.float16, np.float32, np.float64]
)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("layout", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_keeps_its_precision(tmp_path, dtype, channels, layout, compression):
    path = tmp_path / "deep.tif"
    unit = np.random.default_rng(1).random((11, 14, channels))
    kind = np.dtype(dtype).kind
    samples = unit.astype(dtype) if kind == "f" else (unit * np.iinfo(dtype).max).astype(dtype)
    unit = samples.astype(np.float64) / (1 if kind == "f" else np.iinfo(dtype).max)
    stored = samples[..., 0] if channels == 1 else samples
    planes = np.moveaxis(stored, -1, 0) if layout == "separate" and channels > 1 else stored
    tifffile.imwrite(
        path,
        planes,
        photometric="minisblack" if channels == 1 else "rgb",
        planarconfig=layout if channels > 1 else None,
        extrasamples=["unassalpha"] if channels == 4 else None,
        compression=compression,
    )
    picture = load_picture(path)
    if channels == 4:
        np.testing.assert_allclose(picture.alpha, unit[..., 3], atol=1e-6)
        unit = unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:]
    np.testing.assert_allclose(picture.image, unit * np.ones(3), atol=1e-6)


def test_tiff_white_is_zero_premultiplied_and_cmyk(tmp_path):
    path = tmp_path / "kinds.tif"
    tifffile.imwrite(path, np.full((2, 3), 13107, np.uint16), photometric="miniswhite")
    np.testing.assert_allclose(load_image(path), 0.8, atol=1e-6)
    premultiplied = np.full((2, 3, 4), 0.5, np.float32)
    premultiplied[..., :3] = 0.125, 0.25, 0.5
    tifffile.imwrite(path, premultiplied, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(load_image(path)[0, 0], [0.625, 0.75, 1], atol=1e-6)
    ink = np.broadcast_to(np.array([0, 65535, 13107, 32768], np.uint16), (2, 3, 4))
    tifffile.imwrite(path, ink, photometric="separated")
    np.testing.assert_allclose(load_image(path)[0, 0], [0.5, 0, 0.4], atol=1e-5)


@pytest.mark.parametrize("compression", [None, "group3", "group4", "packbits", "tiff_lzw"])
def test_bilevel_tiff(tmp_path, compression):
    bits = smooth()[..., 0] > 0.4
    Image.fromarray(bits).save(tmp_path / "scan.tif", compression=compression)
    np.testing.assert_array_equal(load_image(tmp_path / "scan.tif"), np.dstack([bits] * 3))


def test_palette_tiff(tmp_path):
    indices = colors(channels=1)
    file = Image.fromarray(indices).convert("P")
    file.putpalette(colors(1, 256)[0].tobytes())
    file.save(tmp_path / "palette.tif", compression="tiff_lzw")
    expected = colors(1, 256)[0][indices] / 255.0
    np.testing.assert_allclose(load_image(tmp_path / "palette.tif"), expected, atol=1 / 255)


@pytest.mark.parametrize("mode", ["RGB", "YCbCr"])
def test_jpeg_in_tiff(tmp_path, mode):
    samples = np.asarray(Image.fromarray((smooth() * 255).astype(np.uint8)).convert(mode))
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric=mode.lower(), compression="jpeg")
    np.testing.assert_allclose(load_image(tmp_path / "a.tif"), smooth(), atol=0.05)


def test_truncated_tiff_of_many_strips(tmp_path):
    path = tmp_path / "a.tif"
    for compression in (None, "zlib", "lzw"):
        tifffile.imwrite(path, colors(64, 48), rowsperstrip=4, compression=compression)
        whole = path.read_bytes()
        path.write_bytes(whole[: -len(whole) // 10])
        with pytest.raises(ImageError, match="cannot be read"):
            load_image(path)


def test_float_tiff_is_clipped(tmp_path):
    tifffile.imwrite(tmp_path / "wide.tif", np.array([[-0.5, 0.5, 1.5]], np.float32))
    np.testing.assert_array_equal(load_image(tmp_path / "wide.tif")[0, :, 0], [0, 0.5, 1])


def test_first_frame(tmp_path):
    frames = [Image.fromarray(colors(seed=seed)) for seed in range(3)]
    for name in ("frames.png", "frames.webp", "frames.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        np.testing.assert_allclose(load_image(tmp_path / name), colors() / 255.0, atol=1e-6)


def test_the_suffix_does_not_matter(tmp_path):
    Image.fromarray(colors()).save(tmp_path / "image.jpg", format="PNG")
    np.testing.assert_allclose(load_image(tmp_path / "image.jpg"), colors() / 255.0, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    path = tmp_path / f"turned{suffix}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray((smooth(16, 24) * 255).astype(np.uint8))
    stored.save(path, exif=exif, lossless=True)
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file)) / 255.0
    assert expected.shape == ((24, 16, 3) if orientation > 4 else (16, 24, 3))
    np.testing.assert_allclose(load_image(path), expected, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_files(tmp_path, orientation):
    samples = colors(channels=4, dtype=np.uint16)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    shallow = Image.fromarray((samples[..., 3] >> 8).astype(np.uint8))
    shallow.save(tmp_path / "shallow.png", exif=exif)
    with Image.open(tmp_path / "shallow.png") as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(
        tmp_path / "deep.tif", samples, photometric="rgb", extrasamples=[2], extratags=[tag]
    )
    (tmp_path / "deep.png").write_bytes(png(samples, chunks=[(b"eXIf", exif.tobytes()[6:])]))
    for name in ("deep.tif", "deep.png"):
        picture = load_picture(tmp_path / name)
        assert picture.image.shape == (*expected.shape, 3)
        np.testing.assert_array_equal((picture.alpha * 65535).round() // 256, expected)


# Color profiles


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_rgb_profile(tmp_path, suffix):
    path = tmp_path / f"profile{suffix}"
    Image.fromarray((smooth() * 255).astype(np.uint8)).save(
        path, icc_profile=exchanged_profile(), lossless=True
    )
    with Image.open(path) as file:
        expected = np.asarray(file)[..., [1, 0, 2]] / 255.0
    np.testing.assert_allclose(load_image(path), expected, atol=2.5 / 255)


def test_profile_of_deep_files(tmp_path):
    samples = (smooth(64, 64) * 65535).astype(np.uint16)
    profile = exchanged_profile()
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", iccprofile=profile)
    chunk = (b"iCCP", b"p\0\0" + zlib.compress(profile))
    (tmp_path / "a.png").write_bytes(png(samples, chunks=[chunk]))
    for name in ("a.tif", "a.png"):
        expected = samples[..., [1, 0, 2]] / 65535
        np.testing.assert_allclose(load_image(tmp_path / name), expected, atol=2e-3)
        assert len(np.unique(load_image(tmp_path / name)[..., 2])) > 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("profile", [linear_gray_profile(), linear_profile()])
def test_gray_with_a_profile_of_gray_or_of_color(tmp_path, dtype, profile):
    ramp = np.linspace(0, 1, 60).reshape(6, 10)
    if dtype != np.float32:
        ramp = np.rint(ramp * np.iinfo(dtype).max)
    tifffile.imwrite(tmp_path / "gray.tif", ramp.astype(dtype), iccprofile=profile)
    expected = srgb_encoded(ramp / ramp.max())[..., None] * np.ones(3)
    np.testing.assert_allclose(load_image(tmp_path / "gray.tif"), expected, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_linear_colors(tmp_path, dtype):
    samples = colors(64, 64, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", iccprofile=linear_profile())
    expected = srgb_encoded(samples / np.iinfo(dtype).max)
    np.testing.assert_allclose(load_image(tmp_path / "a.tif"), expected, atol=2e-3)


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_cmyk_with_and_without_profile(tmp_path, suffix):
    path = tmp_path / f"ink{suffix}"
    ink = np.zeros((16, 32, 4), np.uint8)
    ink[:, :16, 0] = 255
    ink[:, 16:, 3] = 128
    file = Image.fromarray(ink, "CMYK")
    file.save(path, icc_profile=black_only_profile(), quality=100)
    image = load_image(path)
    np.testing.assert_allclose(image[:, :16], 1, atol=0.01)
    np.testing.assert_allclose(image[:, 16:], 119 / 255, atol=0.01)  # sRGB of L* = 50
    file.save(path, quality=100)
    image = load_image(path)
    np.testing.assert_allclose(image[:, :16], np.broadcast_to([0, 1, 1], (16, 16, 3)), atol=0.01)
    np.testing.assert_allclose(image[:, 16:], 127 / 255, atol=0.01)


def test_deep_cmyk_with_profile(tmp_path):
    ink = np.broadcast_to(np.array([65535, 0, 0, 32768], np.uint16), (2, 3, 4))
    profile = black_only_profile()
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated", iccprofile=profile)
    np.testing.assert_allclose(load_image(tmp_path / "a.tif"), 119 / 255, atol=0.01)


@pytest.mark.parametrize(
    "profile", [b"nonsense", exchanged_profile()[:300], linear_gray_profile(), black_only_profile()]
)
def test_profile_that_does_not_fit_is_ignored(tmp_path, profile):
    Image.fromarray(colors()).save(tmp_path / "broken.png", icc_profile=profile)
    np.testing.assert_allclose(load_image(tmp_path / "broken.png"), colors() / 255.0, atol=1e-6)


# What is refused


def encoded(array, kind, mode=None, **options):
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, kind, **options)
    return buffer.getvalue()


def encoded_tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def valid_files():
    rgb = (smooth() * 255).astype(np.uint8)
    deep = (smooth() * 65535).astype(np.uint16)
    alpha = colors(24, 36, 4)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    profile = exchanged_profile()
    return {
        "png": encoded(rgb, "PNG", exif=exif, icc_profile=profile),
        "png gray profile": encoded(rgb[..., 0], "PNG", icc_profile=linear_gray_profile()),
        "png alpha": encoded(alpha, "PNG"),
        "png palette": encoded(rgb[..., 0] // 16, "PNG", bits=4),
        "png 16": png(deep),
        "png 16 interlaced": png(deep, interlaced=True),
        "jpeg": encoded(rgb, "JPEG", exif=exif, icc_profile=profile),
        "jpeg cmyk": encoded(
            rgb[..., [0, 1, 2, 0]], "JPEG", mode="CMYK", icc_profile=black_only_profile()
        ),
        "jpeg progressive": encoded(rgb, "JPEG", progressive=True),
        "webp": encoded(rgb, "WEBP", exif=exif, icc_profile=profile),
        "webp lossless": encoded(alpha, "WEBP", lossless=True),
        "tiff": encoded(rgb, "TIFF"),
        "tiff lzw": encoded(rgb, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encoded(rgb, "TIFF", compression="jpeg"),
        "tiff 16": encoded_tiff(deep, photometric="rgb", iccprofile=profile),
        "tiff 16 zlib": encoded_tiff(deep, photometric="rgb", compression="zlib", predictor=True),
        "tiff float zlib": encoded_tiff(
            smooth().astype(np.float32), photometric="rgb", compression="zlib", predictor=3
        ),
        "tiff float": encoded_tiff(smooth().astype(np.float32), photometric="rgb"),
        "gif": encoded(rgb[..., 0], "GIF"),
        "bmp": encoded(rgb, "BMP"),
        "avif": encoded(rgb, "AVIF"),
    }


FILES = valid_files()


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_give_an_image_or_one_clear_line(tmp_path, capfd, caplog, name):
    path = tmp_path / "damaged"
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    refused = 0
    for attempt in range(24):
        data = bytearray(FILES[name])
        if attempt % 3 == 0:
            data = data[: generator.integers(1, len(data))]
        for _ in range(attempt % 3 * 4):
            place = generator.integers(len(data) if attempt % 2 else min(len(data), 200))
            data[place] = generator.integers(256)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                image = load_image(path)
            except ImageError as error:
                refused += 1
                assert str(error).startswith(f"{path}: ")
                assert "\n" not in str(error)
                continue
        assert image.dtype == np.float32
        assert image.ndim == 3 and image.shape[2] == 3
        assert image.min() >= 0 and image.max() <= 1
    assert refused > 0
    if not name.startswith("tiff"):  # libtiff writes to stderr, past Python
        assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_refused(tmp_path, name):
    path = tmp_path / "half"
    path.write_bytes(FILES[name])
    load_image(path)
    path.write_bytes(FILES[name][: len(FILES[name]) // 2])
    with pytest.raises(ImageError, match="half: "):
        load_image(path)


@pytest.mark.parametrize("read", [load_picture, load_image, read_recipe])
def test_what_is_no_picture_is_refused(tmp_path, read):
    with pytest.raises(ImageError, match=r"missing\.png: there is no such file"):
        read(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"empty\.png: the file is empty"):
        read(tmp_path / "empty.png")
    (tmp_path / "text.jpg").write_text("no picture\n")
    with pytest.raises(ImageError, match=r"text\.jpg: no picture .* accepted: PNG, JPEG"):
        read(tmp_path / "text.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read(tmp_path / ("long" * 100 + ".png"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):
        load_image(tmp_path / "pipe.png")


@pytest.mark.parametrize("name", ["png", "png 16", "jpeg", "gif", "tiff lzw", "tiff", "tiff 16"])
def test_the_limit_is_memory(tmp_path, monkeypatch, name):
    path = tmp_path / "bomb"
    path.write_bytes(FILES[name])
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=12 * 24 * 36))
    with pytest.raises(ImageError, match=r"24 x 36 pixels need about .* GB are free; a smaller"):
        load_image(path)
    monkeypatch.undo()
    if name != "tiff lzw":  # Pillow checks its strips itself
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 36 // 4)
        load_image(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tiff_that_is_not_finite(tmp_path, value):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0.5, value]], np.float32))
    with pytest.raises(ImageError, match=r"a\.tif: .*not finite"):
        load_image(tmp_path / "a.tif")


def test_tiff_of_other_kinds(tmp_path):
    path = tmp_path / "kind.tif"
    tifffile.imwrite(path, np.zeros((4, 5), np.int16))
    with pytest.raises(ImageError, match=r"kind\.tif: .*16 bits of int16"):
        load_image(path)
    tifffile.imwrite(path, np.zeros((4, 6), np.uint16), bitspersample=12)
    with pytest.raises(ImageError, match="12 bits of uint16"):
        load_image(path)
    tifffile.imwrite(path, np.zeros((4, 5), np.uint16), compression="lzw")
    with pytest.raises(ImageError, match="without compression or with Deflate, not LZW"):
        load_image(path)
    tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint16), photometric="cielab")
    with pytest.raises(ImageError, match="CIELAB"):
        load_image(path)


# Sizes


@repeatable
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))
def test_fit_size(height, width, size):
    fitted = fit_size((height, width), size)
    assert max(fitted) == size
    assert min(fitted) >= 1
    shorter = size * min(height, width) / max(height, width)
    assert abs(min(fitted) - max(1, shorter)) <= 0.5
    assert (fitted[0] >= fitted[1]) == (height >= width) or fitted[0] == fitted[1]


def test_sizes_that_are_none():
    with pytest.raises(ValueError, match=r"size is 0; .*at least 1"):
        fit_size((3, 4), 0)
    with pytest.raises(ValueError, match=r"size is 2\.5; a whole number"):
        load_image("missing.png", size=2.5)
    with pytest.raises(ValueError, match="width is -1"):
        resize_image(np.zeros((4, 5, 3)), (2, -1))


@repeatable
@given(*[st.integers(1, 40)] * 4, st.sampled_from([(), (3,)]))
def test_resize_stays_in_range(height, width, new_height, new_width, channels):
    image = np.random.default_rng(0).integers(0, 2, (height, width, *channels)).astype(np.float32)
    resized = resize_image(image, (new_height, new_width))
    assert resized.shape == (new_height, new_width, *channels)
    assert resized.dtype == np.float32
    assert resized.min() >= 0 and resized.max() <= 1
    flat = resize_image(np.full_like(image, 0.3), (new_height, new_width))
    np.testing.assert_allclose(flat, 0.3, atol=1e-6)


def test_an_image_of_that_size_is_not_copied():
    image = smooth().astype(np.float32)
    assert resize_image(image, (24, 36)) is image
    beyond = 3 * image - 1
    np.testing.assert_array_equal(resize_image(beyond, (24, 36)), beyond.clip(0, 1))
    part = resize_image(image, (24, 36), extent=(12, 18))
    np.testing.assert_allclose(part, resize_image(image[:12, :18], (24, 36)), atol=2e-2)


def test_resize_is_antialiased_and_keeps_a_ramp():
    stripes = np.zeros((64, 64, 3))
    stripes[:, ::2] = 1
    np.testing.assert_allclose(resize_image(stripes, (16, 16))[:, 3:-3], 0.5, atol=0.02)
    ramp = np.broadcast_to((np.arange(128)[:, None, None] + 0.5) / 128, (128, 64, 3))
    expected = np.broadcast_to((np.arange(32)[:, None, None] + 0.5) / 32, (32, 16, 3))
    np.testing.assert_allclose(resize_image(ramp, (32, 16))[3:-3], expected[3:-3], atol=1e-3)


@pytest.mark.parametrize("size", [7, 36, 90])
def test_load_at_a_size(tmp_path, size):
    save_image(tmp_path / "a.png", smooth(24, 36))
    image = load_image(tmp_path / "a.png", size=size)
    assert image.shape == (round(24 * size / 36), size, 3)
    assert abs(image.mean() - smooth(24, 36).mean()) < 0.01


# Writing


@repeatable
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99), st.booleans())
def test_lossless_formats_return_what_was_written(tmp_path_factory, height, width, seed, opaque):
    generator = np.random.default_rng(seed)
    image = generator.uniform(-0.2, 1.2, (height, width, 3))
    alpha = None if opaque else generator.uniform(0, 0.9, (height, width))
    folder = tmp_path_factory.mktemp("round")
    for suffix, levels in ((".png", 255), (".webp", 255), (".tif", 65535)):
        path = folder / f"image{suffix}"
        save_image(path, image, alpha=alpha)
        picture = load_picture(path)
        expected = np.rint(image.clip(0, 1) * levels) / levels
        if opaque:
            assert picture.alpha is None
        else:
            written = np.rint(alpha * levels) / levels
            np.testing.assert_allclose(picture.alpha, written, atol=1.01 / levels)
            expected = expected * written[..., None] + 1 - written[..., None]
        np.testing.assert_allclose(picture.image, expected, atol=2.1 / levels)


def test_arrays_of_jax(tmp_path):
    image = jnp.asarray(smooth())
    save_image(tmp_path / "a.tif", resize_image(image, (24, 36)))
    save_image(tmp_path / "b.tif", image, alpha=jnp.ones((24, 36)))
    np.testing.assert_allclose(load_image(tmp_path / "a.tif"), smooth(), atol=1e-5)
    np.testing.assert_allclose(load_image(tmp_path / "b.tif"), smooth(), atol=1e-5)


def test_rounded_to_the_nearest_level(tmp_path):
    save_image(tmp_path / "a.png", np.full((2, 2, 3), 100.4 / 255))
    assert np.asarray(Image.open(tmp_path / "a.png")).max() == 100
    save_image(tmp_path / "a.png", np.full((2, 2, 3), 100.6 / 255))
    assert np.asarray(Image.open(tmp_path / "a.png")).min() == 101
    save_image(tmp_path / "a.tif", np.full((2, 2, 3), 25_700.6 / 65535))
    assert tifffile.imread(tmp_path / "a.tif").tolist() == [[[25701] * 3] * 2] * 2


def test_tiff_and_alpha_as_other_programs_see_them(tmp_path):
    alpha = np.full((24, 36), 0.25)
    save_image(tmp_path / "a.tif", smooth(), alpha=alpha)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        assert page.dtype == np.uint16
        assert page.photometric == tifffile.PHOTOMETRIC.RGB
        assert page.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)
        assert "DateTime" not in page.tags
    for suffix in (".png", ".webp"):
        save_image(tmp_path / f"a{suffix}", smooth(), alpha=alpha)
        assert Image.open(tmp_path / f"a{suffix}").mode == "RGBA"
        save_image(tmp_path / f"a{suffix}", smooth(), alpha=np.zeros((24, 36)))
        hidden = np.asarray(Image.open(tmp_path / f"a{suffix}"))[..., :3]
        np.testing.assert_array_equal(hidden, np.rint(smooth().astype(np.float32) * 255))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_is_fine_full_chroma_and_opaque(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_image(path, smooth(), alpha=np.full((24, 36), 0.5))
    with Image.open(path) as file:
        assert file.format == "JPEG"
        assert [component[1:3] for component in file.layer] == [(1, 1)] * 3
    np.testing.assert_allclose(load_image(path), smooth() / 2 + 0.5, atol=0.03)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_bytes_twice(tmp_path, suffix):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_image(tmp_path / folder / f"image{suffix}", smooth(), recipe='{"seed": 1}')
    first, second = (tmp_path / folder / f"image{suffix}" for folder in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("recipe", ['{"seed": 0}', '{"Bild": "Tübingen 星月夜 🎨"}', "x" * 60_000])
def test_recipe(tmp_path, suffix, recipe):
    path = tmp_path / f"a{suffix}"
    save_image(path, smooth(), alpha=np.full((24, 36), 0.5), recipe=recipe)
    assert read_recipe(path) == recipe
    save_image(path, smooth())
    assert read_recipe(path) is None


def as_json(text):
    return json.dumps(text, ensure_ascii=False)


@repeatable
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(as_json))
def test_recipe_in_any_script(tmp_path_factory, recipe):
    folder = tmp_path_factory.mktemp("recipe")
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        save_image(folder / f"a{suffix}", np.zeros((2, 2, 3)), recipe=recipe)
        assert read_recipe(folder / f"a{suffix}") == recipe


def test_descriptions_of_others_are_no_recipe(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "OLYMPUS DIGITAL CAMERA"
    for suffix in (".jpg", ".webp", ".png"):
        Image.fromarray(colors()).save(tmp_path / f"a{suffix}", exif=exif)
        assert read_recipe(tmp_path / f"a{suffix}") is None
    tifffile.imwrite(tmp_path / "a.tif", colors(), description="a scan")
    assert read_recipe(tmp_path / "a.tif") is None


def test_long_recipe(tmp_path):
    with pytest.raises(ImageError, match=r"a\.jpg: .*JPEG holds a recipe of 65000 bytes"):
        save_image(tmp_path / "a.jpg", smooth(), recipe="ü" * 40_000)
    assert list(tmp_path.iterdir()) == []
    for suffix in (".png", ".tif", ".webp"):
        save_image(tmp_path / f"a{suffix}", smooth(), recipe="ü" * 100_000)
        assert read_recipe(tmp_path / f"a{suffix}") == "ü" * 100_000


@pytest.mark.parametrize(
    ("image", "alpha", "message"),
    [
        (np.zeros((4, 5, 2)), None, r"image is float64 of shape \(4, 5, 2\); \(height, width\)"),
        (np.zeros((4, 5, 5)), None, r"image is float64 of shape \(4, 5, 5\)"),
        (np.zeros((0, 5, 3)), None, r"image is empty: its shape is \(0, 5, 3\)"),
        (np.zeros((4, 5, 3)), np.zeros((5, 4)), r"alpha has shape \(5, 4\).*\(4, 5\)"),
        (np.full((4, 5, 3), np.nan), None, "image is NaN in 60 of 60 values"),
        (np.zeros((4, 5, 3)), np.full((4, 5), np.inf), "alpha has infinite values"),
        (np.zeros((4, 5, 3), int), None, "image is int64 of shape .* uint8, uint16 or floats"),
        (np.full((4, 5, 3), 255.0), None, "image has values from 255 to 255; floats in"),
        (np.full((4, 5, 3), -1.1), None, "image has values from -1.1 to -1.1"),
    ],
)
def test_images_that_are_none(tmp_path, image, alpha, message):
    with pytest.raises(ValueError, match=message):
        save_image(tmp_path / "a.png", image, alpha=alpha)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_image(path, smooth())
    before = path.read_bytes()

    def disk_is_full(path, *rest):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(encoding, "_encode", disk_is_full)
    with pytest.raises(ImageError, match=r"a\.png: cannot be written \(no space left\)"):
        save_image(path, smooth() / 2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_too_large_for_the_format(tmp_path):
    with pytest.raises(ImageError, match=r"a\.webp: cannot be written"):
        save_image(tmp_path / "a.webp", np.zeros((1, 16_384, 3)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_permissions_follow_the_umask(tmp_path, suffix):
    old = os.umask(0o027)
    try:
        save_image(tmp_path / f"a{suffix}", smooth())
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / f"a{suffix}").stat().st_mode) == 0o640


def test_check_writable(tmp_path):
    check_writable(tmp_path / "a.PNG")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ImageError, match=r"a\.gif: the suffix is '\.gif'; accepted: \.png, \.jpg"):
        check_writable(tmp_path / "a.gif")
    with pytest.raises(ImageError, match=r"the suffix is ''"):
        check_writable(tmp_path / "a")
    with pytest.raises(ImageError, match=r"there is no folder .*nowhere"):
        check_writable(tmp_path / "nowhere" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match="is a folder"):
        check_writable(tmp_path / "folder.png")
    with pytest.raises(ImageError, match="cannot be written"):
        check_writable(tmp_path / ("x" * 252 + ".png"))
    with pytest.raises(ImageError, match="the suffix"):
        save_image(tmp_path / "a.gif", smooth())


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_a_folder_that_takes_no_files():
    with pytest.raises(ImageError, match="cannot be written"):
        check_writable("/proc/self/a.png")
