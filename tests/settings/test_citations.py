"""The papers behind a recipe: which settings add which, and that the entries are BibTeX."""

import re
from typing import get_args

import pytest

from jnst import citation, register_style_loss
from jnst.objective.style_losses import STYLE_LOSSES
from jnst.settings import citations
from jnst.settings.choices import Optimizer, Variation
from jnst.settings.config import OWN, Config
from jnst.settings.presets import PRESETS, preset
from jnst.settings.style_loss_names import BuiltIn, registered

ENTRY = re.compile(r"@(\w+)\{(\w+),\n((?:  \w+ = \{.+\},\n)+)\}")
FIELD = re.compile(r"  (\w+) = \{(.+)\},\n")
ALWAYS = {"gatys2016", "simonyan2015"}
PLAIN = {"levels": 1, "tv_weight": 0, "optimizer": "sgd"}
"""Settings that add no paper to those that are always there."""


def parse(text):
    """The kind and fields of each entry by its key, of a text that is nothing but entries."""
    parsed = {}
    for entry in text.split("\n\n"):
        kind, key, fields = ENTRY.fullmatch(entry).groups()
        assert key not in parsed
        parsed[key] = kind, dict(FIELD.findall(fields))
    return parsed


def cited(**settings):
    return parse(citation(Config(**PLAIN | settings))).keys()


def balanced(text):
    depth = 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize("key", citations.PAPERS)
def test_entries_are_whole(key):
    text = citations._entry(key)
    [(kind, fields)] = parse(text).values()
    venue = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[kind]
    assert fields.keys() == {"author", "title", "year", venue}
    assert balanced(text)
    assert text.isascii()
    assert all(len(name.split(", ")) == 2 for name in fields["author"].split(" and "))
    assert key.rstrip("abcdefghijklmnopqrstuvwxyz").endswith(fields["year"])
    assert key.startswith(fields["author"].partition(",")[0].lower())


def test_only_what_is_always_there():
    assert cited() == ALWAYS


@pytest.mark.parametrize(
    ("loss", "papers"),
    {
        "gram": set(),
        "balanced_gram": set(),
        "mean_variance": {"li2017demystifying"},
        "covariance": set(),
        "gram_mean_deviation": {"li2017demystifying"},
        "wasserstein": {"crowson2021", "dowson1982"},
        "sliced_wasserstein": {"heitz2021"},
        "histogram": {"risser2017"},
        "patches": {"li2016"},
        "contextual": {"mechrez2018"},
    }.items(),
)
def test_a_style_loss_adds_its_paper(loss, papers):
    assert cited(style_loss=loss) == ALWAYS | papers


def test_every_style_loss_and_variation_is_known():
    assert citations.PAPERS_OF_STYLE_LOSSES.keys() == set(get_args(BuiltIn))
    assert citations.VARIATIONS.keys() == set(get_args(Variation))
    assert citations.OPTIMIZERS.keys() == set(get_args(Optimizer)) - {"sgd"}


def test_style_losses_of_several_layers():
    losses = ("histogram", "patches", "patches")
    layers = ("relu1_1", "relu2_1", "relu3_1")
    assert cited(style_loss=losses, style_layers=layers) == ALWAYS | {"risser2017", "li2016"}


@pytest.mark.parametrize(
    ("settings", "paper"),
    [
        ({"optimizer": "lbfgs"}, "liu1989"),
        ({"optimizer": "adam"}, "kingma2015"),
        ({"laplacian_weight": 1}, "li2017laplacian"),
        ({"temporal_weight": 1}, "ruder2016"),
        ({"tv_weight": 1}, "mahendran2015"),
        ({"tv_weight": 1, "variation": "l1"}, "rudin1992"),
        ({"tv_weight": 1, "variation": "nine_point"}, "crowson2021"),
        ({"averaging": 0.9}, "crowson2021"),
        ({"color": "pca"}, "gatys2016color"),
        ({"mask_propagation": "inside"}, "gatys2017"),
        ({"style_scale": 2}, "gatys2017"),
        ({"levels": 2}, "gatys2017"),
        ({"level_sizes": (256,)}, "gatys2017"),
        ({"levels": 2, "level_sizes": ()}, None),
        ({"convention": "johnson"}, "johnson2015"),
        ({"normalize_gradients": True}, "johnson2015"),
    ],
)
def test_a_setting_adds_its_paper(settings, paper):
    assert cited(**settings) == ALWAYS | {paper} - {None}


def test_luminance_is_in_two_papers():
    assert cited(color="luminance") == ALWAYS | {"gatys2016color", "gatys2017"}


def test_a_texture_and_a_reconstruction():
    assert cited(content_layers=()) == {"gatys2015", "simonyan2015"}
    assert cited(style_layers=(), style_loss="patches") == ALWAYS | {"mahendran2015"}


def test_layers_of_another_network_are_not_vggs():
    assert cited(content_layers="block3", style_layers="block1") == ALWAYS - {"simonyan2015"}


@pytest.mark.parametrize(
    ("name", "papers"),
    {
        "fast": {"gatys2017", "mahendran2015", "liu1989"},
        "trained": {"gatys2017", "mahendran2015", "liu1989"},
        "gatys2016": {"liu1989"},
        "gatys2016-code": {"liu1989"},
        "johnson2015": {"liu1989", "johnson2015"},
        "keras": set(),
        "crowson2021": {"crowson2021", "dowson1982", "gatys2017", "kingma2015"},
    }.items(),
)
def test_the_papers_of_a_preset(name, papers):
    assert parse(citation(preset(name))).keys() == ALWAYS | papers


def test_every_preset_is_tested():
    [mark] = test_the_papers_of_a_preset.pytestmark
    assert {name for name, _ in mark.args[1]} == PRESETS.keys()


def test_what_is_a_programs_own_has_no_paper(monkeypatch):
    monkeypatch.setitem(registered, "mine", None)
    register_style_loss("mine", STYLE_LOSSES["gram"])
    assert cited(style_loss="mine") == ALWAYS
    assert parse(citation({**PLAIN, "optimizer": OWN})).keys() == ALWAYS
    assert parse(citation({**PLAIN, "style_loss": ["unheard of"]})).keys() == ALWAYS


def test_settings_in_a_recipe_are_as_their_config():
    config = preset("crowson2021", style_loss="patches")
    assert citation(config.plain()) == citation(config)
    assert citation({}) == citation(Config())
    assert citation({"style_loss": "patches"}) == citation(Config(style_loss="patches"))


def test_another_type_is_refused():
    with pytest.raises(ValueError, match=r"config is of type str; a jnst\.Config, or the sett"):
        citation("fast")


def test_a_network_adds_its_papers():
    def keys(network):
        return {key for _, key, _ in ENTRY.findall(citation(Config(), network=network) + "\n")}

    assert keys("embedded") == keys("")
    assert keys("hed") - keys("") == {"xie2015"}
