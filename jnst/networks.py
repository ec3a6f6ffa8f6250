"""Networks by name or file: found, fetched, ported, loaded."""

import os
import warnings
from pathlib import Path

import filelock
import jax.numpy as jnp
from jaxtyping import Array

from jnst.canonical import network_digest, write_tensors
from jnst.data import data_file
from jnst.downloads import Download, Progress, cache_folder, fetch, manifest, matches
from jnst.formats import WeightFile, open_weights
from jnst.vgg import CONVOLUTIONS, Network, NetworkError

EMBEDDED = "embedded"


class NetworkWarning(UserWarning):
    """Something about a network was guessed."""


def load_network(name: str | os.PathLike[str], *, convention: str | None = None) -> Network:
    """The network of that name, or in that file, in float32.

    Names: "embedded"; "imagenet" and "torchvision", which are fetched once (`fetch_network`); those
    that `port_network` has put in the cache. Files: PyTorch's (torchvision, Gatys, Johnson),
    safetensors, Keras, MatConvNet, canonical .h5 and .npz, told apart by content. `convention`,
    "caffe" or "torchvision", is for torchvision's names; without it, it is guessed, with a warning.

    Raises:
        NetworkError: there is no such network, its file is damaged or no VGG-19, or it cannot be
            fetched.
    """
    path = find_network(name)
    params: dict[str, dict[str, Array]] = {layer: {} for layer in CONVOLUTIONS}
    with open_weights(path, convention) as weights:
        _warn_of_guess(path, weights)
        for key, tensor in weights.tensors():
            layer, kind = key.split("/")
            params[layer][kind] = jnp.asarray(tensor)
        network = Network(params, jnp.asarray(weights.mean), **_identity(path, weights))
    return network if network.digest else network.replace(digest=network_digest(network))


def find_network(name: str | os.PathLike[str]) -> Path:
    """The file of a network: see `load_network`. One of the manifest is fetched if need be."""
    if name == EMBEDDED:
        return data_file("embedded.h5")
    if Path(name).is_file():
        return Path(name)
    if name in manifest():
        return fetch_network(str(name))
    if name in (cached := cached_networks()):
        return cached[str(name)]
    names = ", ".join(known_networks())
    raise NetworkError(f"{name}: no such file, and no such network; networks are {names}")


def known_networks() -> list[str]:
    """Names that `load_network` accepts."""
    return list(dict.fromkeys([EMBEDDED, *manifest(), *cached_networks()]))


def cached_networks() -> dict[str, Path]:
    """The files in the cache by the names of their networks."""
    return {path.stem: path for path in sorted(cache_folder().glob("*.h5"))}


def fetch_network(name: str, *, progress: Progress | None = None) -> Path:
    """The canonical file of a network of the manifest: from the cache, else downloaded and ported.

    The download is verified and not kept. Several processes may ask at once: one does it.
    `progress` is called with the bytes that are there and the bytes in all.

    Raises:
        NetworkError: the manifest has no such network; it cannot be fetched (the message has the
            ways on); the cache cannot be written to.
    """
    if name not in manifest():
        raise NetworkError(f"{name}: not in the manifest, which has {', '.join(manifest())}")
    download, folder = manifest()[name], cache_folder()
    path = folder / f"{name}.h5"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f".{name}.lock"):
            if not path.is_file():
                _port_download(download, folder, path, progress)
    except OSError as error:
        raise NetworkError(
            f"{name} cannot be kept in {folder} ({error}); JNST_CACHE names another folder"
        ) from None
    return path


def _port_download(download: Download, folder: Path, path: Path, progress: Progress | None) -> None:
    try:
        file = fetch(download, folder, progress=progress)
    except NetworkError as error:
        raise NetworkError(
            f"network {download.name} is not in {folder} and cannot be fetched ({error}). Three "
            "ways on: 'jnst network port FILE' takes a VGG-19 from elsewhere; "
            f"'--network {EMBEDDED}' is always there; or fetch {download.urls[0]} by hand "
            "and port that"
        ) from None
    try:
        port_network(file, path, convention=download.convention)
    finally:
        file.unlink()


def remove_network(name: str) -> int:
    """Take a network out of the cache, with what an unfinished download left; the bytes freed.

    Raises:
        NetworkError: there is nothing of it.
    """
    folder, paths = cache_folder(), [cache_folder() / f"{name}.h5"]
    if name in manifest():
        paths.append(folder / f"{manifest()[name].file}.part")
    there = [path for path in paths if path.is_file()]
    if not there:
        known = ", ".join(cached_networks()) or "nothing"
        raise NetworkError(f"{name}: not in the cache {folder}, which has {known}")
    freed = sum(path.stat().st_size for path in there)
    for path in there:
        path.unlink()
    return freed


def port_network(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    convention: str | None = None,
) -> Path:
    """Write the network of any file that `load_network` reads as a canonical file, and say where.

    Tensor by tensor: it takes no more memory than the largest. Without `out` the file goes into
    the cache, under the manifest's name if it is the very file, else under its own.

    Raises:
        NetworkError: as `load_network`; `out` is the file itself; the name in the cache is taken.
        OSError: the file cannot be written.
    """
    path = Path(path)
    with open_weights(path, convention) as weights:
        _warn_of_guess(path, weights)
        identity = _identity(path, weights)
        out = Path(out) if out is not None else _place_in_cache(path, identity["name"])
        if out.exists() and out.samefile(path):
            raise NetworkError(f"{out} is the file that is to be ported; give another name")
        write_tensors(out, weights.mean, weights.tensors(), identity)
    return out


def _place_in_cache(path: Path, name: str) -> Path:
    folder, known = cache_folder(), manifest().get(name)
    place = folder / f"{name}.h5"
    if name == EMBEDDED or (known and not matches(path, known)):
        raise NetworkError(f"{path} is not the network {name}; name a file to write")
    if place.exists():
        raise NetworkError(f"{place} is there already; remove {name} first or name a file to write")
    folder.mkdir(parents=True, exist_ok=True)
    return place


def _identity(path: Path, weights: WeightFile) -> dict[str, str]:
    """What a file says of itself, or the manifest of it, or failing that its name and format."""
    for download in manifest().values():
        if matches(path, download):
            source = f"{download.file}, {download.digest}: {download.citation}"
            return {"name": download.name, "source": source, "licence": download.licence}
    guessed = ", guessed" if weights.guessed else ""
    source = f"{path.name} ({weights.format}, convention {weights.convention}{guessed})"
    return {"name": path.stem, "source": source, "licence": "unknown"} | dict(weights.identity)


def _warn_of_guess(path: Path, weights: WeightFile) -> None:
    if weights.guessed:
        warnings.warn(
            f"{path}: convention {weights.convention} is guessed from the scale of conv1_1; "
            "'jnst network port --convention' states it",
            NetworkWarning,
            stacklevel=3,
        )
