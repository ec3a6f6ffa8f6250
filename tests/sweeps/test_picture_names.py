import pytest

from jnst.sweeps.picture_names import is_picture_name, picture_names, short_id

ID = "2677d942a0b1c2d3"


def name_of(**settings):
    [name] = picture_names({ID: settings}).values()
    assert is_picture_name(name) and short_id(name) == "2677d942"
    return name


def test_a_name_says_what_varies():
    assert (
        name_of(style="starry_night.jpg", style_weight=10.0)
        == "starry_night-style_weight-10-2677d942.png"
    )
    assert name_of() == "2677d942.png"
    assert (
        name_of(content="a/photo.jpeg", style=["one.png", "b c.png"], network="net.v2.h5", seed=-3)
        == "a_photo-one+b_c-net_v2-seed--3-2677d942.png"
    )
    assert (
        name_of(style_layers=["relu1_1", "relu2_1"], tv_weight=0.1 + 0.2, learning_rate=None)
        == "style_layers-relu1_1+relu2_1-tv_weight-0.3-learning_rate-None-2677d942.png"
    )


@pytest.mark.parametrize(
    ("style", "stem"),
    [
        ("星月夜.jpg", "星月夜"),
        ("Ночь.jpg", "Ночь"),
        ("हिन्दी.jpg", "हिन्दी"),
        ("cafe\u0301.jpg", "café"),  # as one letter, whichever way a system would write it
        ("</script>.jpg", "script"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\con.txt.jpg", "C_con_txt"),
        ("-o.png", "o"),
        (".hidden", "hidden"),
        ("a\n\x00b\u202egpj.jpg", "a_b_gpj"),
        ("$(rm) 'x' & \"y\"*?|.jpg", "rm_x_y"),
        ("\udcff.jpg", ""),
        ("\N{PILE OF POO}.jpg", ""),
    ],
)
def test_a_name_is_safe_on_any_system(style, stem):
    assert name_of(style=style) == f"{stem}-2677d942.png".removeprefix("-")


def test_no_name_is_that_of_a_device():
    """Windows opens a device by what is before the first point."""
    for device in ("con", "NUL", "com1", "con.x", "aux.1", "com1.5"):
        assert "-" in name_of(style=device + ".jpg").partition(".")[0]


def test_long_names_are_cut_and_keep_every_part():
    name = name_of(style="夜" * 300 + ".jpg", style_weight=10.0)
    assert 100 < len(name.encode()) <= 200
    assert name.endswith("-style_weight-10-2677d942.png") and name.startswith("夜夜")
    many = name_of(**{f"a_setting_of_number_{number}": 1.5 for number in range(40)})
    assert len(many.encode()) <= 200


def test_no_two_points_share_a_name():
    settings = {"style_weight": 1.0}
    ids = ["2677d94200000000", "2677d94200000001", "2677d943ffffffff"]
    points = dict.fromkeys(ids, settings) | {"2677d94200000002": {"style_weight": 1.0000000001}}
    names = list(picture_names(points).values())
    assert names == [
        "style_weight-1-2677d942.png",
        "style_weight-1-2677d94200000001.png",
        "style_weight-1-2677d943.png",
        "style_weight-1-2677d94200000002.png",
    ]
    assert [short_id(name) for name in names] == ["2677d942"] * 2 + ["2677d943", "2677d942"]
    assert all(map(is_picture_name, names))


def test_names_differ_by_more_than_capitals():
    ids = ["2677d94200000000", "2677d94200000001"]
    names = picture_names({ids[0]: {"style": "Wave.jpg"}, ids[1]: {"style": "wave.jpg"}})
    assert list(names.values()) == ["Wave-2677d942.png", "wave-2677d94200000001.png"]


@pytest.mark.parametrize(
    "text",
    [
        *("", ".png", "a", "a.PNG", "a.png.exe", "../a.png", "a/b.png", "a\\b.png", "/a.png"),
        *(".a.png", "a..png", "a b.png", "C:a.png", "a\x00.png", "a\n.png", "\udcff.png"),
        *("\u202ea.png", "a" * 197 + ".png", "夜" * 66 + ".png"),
    ],
)
def test_what_is_no_name_of_a_picture(text):
    assert not is_picture_name(text)
