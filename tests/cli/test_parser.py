import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stylize", "a", "b", "--stepz", "3"], "unknown option --stepz; did you mean '--steps'?"),
        (["stylize", "a", "b", "--sise=4"], "unknown option --sise; did you mean '--size'?"),
        (["stylize", "a", "b", "--qqq"], "unknown option --qqq (see jnst stylize --help)"),
        (["stilize", "a", "b"], "argument COMMAND: 'stilize' is not accepted; did you mean 'styl"),
        (["photo.jpg", "b.jpg"], "photo.jpg is no command; did you mean 'jnst stylize photo.jpg"),
        (["network", "prot"], "argument ACTION: 'prot' is not accepted; did you mean 'port'?"),
        (["network", "list", "--zz"], "unknown option --zz (see jnst network list --help)"),
        (["presets", "more"], "'more' is one argument too many (see jnst presets --help)"),
        (
            ["stylize", "a", "b", "--seed", "1", "2", "3"],
            "--seed takes one number, 2 is one too many",
        ),
    ],
)
def test_what_may_have_been_meant(call, arguments, message):
    status, out, err = call(*arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"jnst: {message}")


@pytest.mark.parametrize("pictures", [["a.png"], ["a.png", "b.png"]])
def test_several_weights_are_a_sweep(call, pictures):
    status, out, err = call("stylize", *pictures, "--style-weight", "1", "3", "10")
    assert (status, out) == (2, [])
    assert err == [
        "jnst: --style-weight takes one number, 3 is one too many; jnst sweep takes several: "
        "[grid] style_weight = [1, 3] in its plan (see jnst stylize --help)"
    ]


def test_a_picture_may_be_named_by_a_number(call, tmp_path):
    (tmp_path / "3").touch()
    status, _, err = call("stylize", "--style-weight", "1", "3", "b.png", "-o", "out.png")
    assert (status, err) == (2, ["jnst: 3: the file is empty"])


@pytest.mark.parametrize("command", ["app", "batch", "demo", "presets", "show", "stylize"])
def test_every_command_has_its_help(call, command):
    status, out, err = call(command, "--help")
    assert (status, err) == (0, []) and out[0].startswith(f"usage: jnst {command}")
