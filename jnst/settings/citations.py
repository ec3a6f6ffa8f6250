"""The papers behind a recipe, as BibTeX."""

from collections.abc import Iterator, Mapping
from typing import Any

from jnst.networks.layers import VGG19
from jnst.settings.config import Config
from jnst.settings.fields import layer_names


def _paper(kind: str, **fields: str) -> tuple[str, Mapping[str, str]]:
    return kind, fields


PAPERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "gatys2016": _paper(
        "inproceedings",
        author="Gatys, Leon A. and Ecker, Alexander S. and Bethge, Matthias",
        title="Image Style Transfer Using Convolutional Neural Networks",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
        year="2016",
    ),
    "gatys2015": _paper(
        "inproceedings",
        author="Gatys, Leon A. and Ecker, Alexander S. and Bethge, Matthias",
        title="Texture Synthesis Using Convolutional Neural Networks",
        booktitle="Advances in Neural Information Processing Systems",
        year="2015",
    ),
    "gatys2016color": _paper(
        "article",
        author="Gatys, Leon A. and Bethge, Matthias and Hertzmann, Aaron and Shechtman, Eli",
        title="Preserving Color in Neural Artistic Style Transfer",
        journal="arXiv preprint arXiv:1606.05897",
        year="2016",
    ),
    "gatys2017": _paper(
        "inproceedings",
        author="Gatys, Leon A. and Ecker, Alexander S. and Bethge, Matthias and "
        "Hertzmann, Aaron and Shechtman, Eli",
        title="Controlling Perceptual Factors in Neural Style Transfer",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
        year="2017",
    ),
    "simonyan2015": _paper(
        "inproceedings",
        author="Simonyan, Karen and Zisserman, Andrew",
        title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2015",
    ),
    "xie2015": _paper(
        "inproceedings",
        author="Xie, Saining and Tu, Zhuowen",
        title="Holistically-Nested Edge Detection",
        booktitle="IEEE International Conference on Computer Vision (ICCV)",
        year="2015",
    ),
    "mahendran2015": _paper(
        "inproceedings",
        author="Mahendran, Aravindh and Vedaldi, Andrea",
        title="Understanding Deep Image Representations by Inverting Them",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
        year="2015",
    ),
    "johnson2015": _paper(
        "misc",
        author="Johnson, Justin",
        title="neural-style",
        howpublished=r"\url{https://github.com/jcjohnson/neural-style}",
        year="2015",
    ),
    "crowson2021": _paper(
        "misc",
        author="Crowson, Katherine",
        title="style-transfer-pytorch",
        howpublished=r"\url{https://github.com/crowsonkb/style-transfer-pytorch}",
        year="2021",
    ),
    "li2017demystifying": _paper(
        "inproceedings",
        author="Li, Yanghao and Wang, Naiyan and Liu, Jiaying and Hou, Xiaodi",
        title="Demystifying Neural Style Transfer",
        booktitle="International Joint Conference on Artificial Intelligence (IJCAI)",
        year="2017",
    ),
    "dowson1982": _paper(
        "article",
        author="Dowson, D. C. and Landau, B. V.",
        title=r"The {Fr\'{e}chet} Distance between Multivariate Normal Distributions",
        journal="Journal of Multivariate Analysis",
        year="1982",
    ),
    "heitz2021": _paper(
        "inproceedings",
        author="Heitz, Eric and Vanhoey, Kenneth and Chambon, Thomas and Belcour, Laurent",
        title="A Sliced {Wasserstein} Loss for Neural Texture Synthesis",
        booktitle="IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
        year="2021",
    ),
    "risser2017": _paper(
        "article",
        author="Risser, Eric and Wilmot, Pierre and Barnes, Connelly",
        title="Stable and Controllable Neural Texture Synthesis and Style Transfer Using "
        "Histogram Losses",
        journal="arXiv preprint arXiv:1701.08893",
        year="2017",
    ),
    "li2016": _paper(
        "inproceedings",
        author="Li, Chuan and Wand, Michael",
        title="Combining {Markov} Random Fields and Convolutional Neural Networks for Image "
        "Synthesis",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
        year="2016",
    ),
    "mechrez2018": _paper(
        "inproceedings",
        author="Mechrez, Roey and Talmi, Itamar and Zelnik-Manor, Lihi",
        title="The Contextual Loss for Image Transformation with Non-Aligned Data",
        booktitle="European Conference on Computer Vision (ECCV)",
        year="2018",
    ),
    "li2017laplacian": _paper(
        "inproceedings",
        author="Li, Shaohua and Xu, Xinxing and Nie, Liqiang and Chua, Tat-Seng",
        title="{Laplacian}-Steered Neural Style Transfer",
        booktitle="ACM International Conference on Multimedia",
        year="2017",
    ),
    "ruder2016": _paper(
        "inproceedings",
        author="Ruder, Manuel and Dosovitskiy, Alexey and Brox, Thomas",
        title="Artistic Style Transfer for Videos",
        booktitle="German Conference on Pattern Recognition (GCPR)",
        year="2016",
    ),
    "rudin1992": _paper(
        "article",
        author="Rudin, Leonid I. and Osher, Stanley and Fatemi, Emad",
        title="Nonlinear Total Variation Based Noise Removal Algorithms",
        journal="Physica D: Nonlinear Phenomena",
        year="1992",
    ),
    "liu1989": _paper(
        "article",
        author="Liu, Dong C. and Nocedal, Jorge",
        title="On the Limited Memory {BFGS} Method for Large Scale Optimization",
        journal="Mathematical Programming",
        year="1989",
    ),
    "kingma2015": _paper(
        "inproceedings",
        author="Kingma, Diederik P. and Ba, Jimmy",
        title="{Adam}: A Method for Stochastic Optimization",
        booktitle="International Conference on Learning Representations (ICLR)",
        year="2015",
    ),
}
"""The kind and the fields of each entry, by its key, in the order that they are cited in."""

PAPERS_OF_STYLE_LOSSES: Mapping[str, tuple[str, ...]] = {
    "gram": (),
    "balanced_gram": (),
    "mean_variance": ("li2017demystifying",),
    "covariance": (),
    "gram_mean_deviation": ("li2017demystifying",),
    "wasserstein": ("crowson2021", "dowson1982"),
    "sliced_wasserstein": ("heitz2021",),
    "histogram": ("risser2017",),
    "patches": ("li2016",),
    "contextual": ("mechrez2018",),
}
"""What each style loss adds: nothing for Gatys', whose paper every recipe has, and jnst's own."""

OPTIMIZERS: Mapping[str, tuple[str, ...]] = {"lbfgs": ("liu1989",), "adam": ("kingma2015",)}

VARIATIONS: Mapping[str, tuple[str, ...]] = {
    "l2": ("mahendran2015",),
    "l1": ("rudin1992",),
    "nine_point": ("crowson2021",),
}


PAPERS_OF_NETWORKS = {"hed": ("simonyan2015", "xie2015")}
"""Networks that have papers of their own, by name."""


def citation(config: Config | Mapping[str, Any], *, network: str = "") -> str:
    r"""The papers behind a recipe, as BibTeX: those of its task, losses, optimizer and network.

    `config` may also be the settings in a recipe, `load_recipe(picture)["config"]`; what it leaves
    out is as in `Config()`. `network` is the name of one that has papers of its own, as "hed" has.
    Masks and flow that were given beside the settings are not known here, and what is a program's
    own has no paper.

    Raises:
        ValueError: `config` is of another type.

    >>> entries = jnst.citation(jnst.Config(style_loss="patches")).split("\n\n")
    >>> [entry.partition(",")[0] for entry in entries[:3]]
    ['@inproceedings{gatys2016', '@inproceedings{gatys2017', '@inproceedings{simonyan2015']
    """
    if not isinstance(config, Config | Mapping):
        raise ValueError(
            f"config is of type {type(config).__name__}; a jnst.Config, or the settings in a "
            "recipe are accepted"
        )
    given = config.plain() if isinstance(config, Config) else config
    cited = {
        *_keys({**Config().plain(), **given}),
        *PAPERS_OF_NETWORKS.get(network.removesuffix("-normalized"), ()),
    }
    return "\n\n".join(_entry(key) for key in PAPERS if key in cited)


def _keys(settings: Mapping[str, Any]) -> Iterator[str]:
    """The keys of the papers behind settings; one may come twice."""
    content, style, losses = (
        layer_names(name, settings[name])
        for name in ("content_layers", "style_layers", "style_loss")
    )
    yield "gatys2016" if content else "gatys2015"
    if not style:
        yield "mahendran2015"
    if {*content, *style} <= VGG19.strides.keys():
        yield "simonyan2015"
    for loss in losses if style else ():
        yield from PAPERS_OF_STYLE_LOSSES.get(loss, ())
    yield from OPTIMIZERS.get(settings["optimizer"], ())
    if settings["tv_weight"]:
        yield from VARIATIONS[settings["variation"]]
    if settings["laplacian_weight"]:
        yield "li2017laplacian"
    if settings["temporal_weight"]:
        yield "ruder2016"
    if settings["color"] != "style":
        yield "gatys2016color"
    if _controls(settings):
        yield "gatys2017"
    if settings["convention"] == "johnson" or settings["normalize_gradients"]:
        yield "johnson2015"
    if settings["averaging"]:
        yield "crowson2021"


def _controls(settings: Mapping[str, Any]) -> bool:
    """Whether there is something of "Controlling Perceptual Factors": sizes, strokes, masks."""
    sizes = settings["level_sizes"]
    return (
        (settings["levels"] > 1 if sizes is None else bool(sizes))
        or settings["style_scale"] != 1
        or settings["mask_propagation"] != "simple"
        or settings["color"] == "luminance"
    )


def _entry(key: str) -> str:
    kind, fields = PAPERS[key]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
