"""The options of the main functions, as `inspect`, `help` and a person who misspells see them."""

import dataclasses
import inspect
from typing import get_type_hints

import numpy as np
import pytest

import jnst
from jnst.runs.keywords import Settings

FUNCTIONS = {
    jnst.stylize: {
        *("content_masks", "style_masks", "start", "previous", "config", "checkpoint", "mesh")
    },
    jnst.texture: {"shape", "style_masks", "start", "config", "checkpoint", "mesh"},
    jnst.reconstruct: {"start", "config", "checkpoint", "mesh"},
    jnst.stylize_batch: {"starts", "batch_size", "config", "mesh"},
    jnst.interpolate: {"starts", "batch_size", "config", "count", "mesh"},
    jnst.stylize_frames: {"content_masks", "style_masks", "config", "flows", "frame_steps"},
}


def test_settings_are_the_fields_of_config():
    kept = get_type_hints(jnst.Config)
    for field, hint in get_type_hints(Settings).items():
        taken = str(hint).replace("collections.abc.Sequence[", "tuple[")
        assert taken == str(kept[field]).replace(", ...]", "]")
    assert list(get_type_hints(Settings)) == [each.name for each in dataclasses.fields(jnst.Config)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_signature_names_every_option_with_its_default(function):
    parameters = inspect.signature(function).parameters
    fields = {field.name: field for field in dataclasses.fields(jnst.Config)}
    names = {name for name, each in parameters.items() if each.kind == each.KEYWORD_ONLY}
    always = {"network", "extra_terms", "callback", "progress"}
    assert names == fields.keys() | always | FUNCTIONS[function]
    assert all(parameters[name].default == field.default for name, field in fields.items())
    assert parameters["network"].default == "embedded"
    text = inspect.getdoc(function)
    assert all(f"    {name}: {each.metadata['help']}" in text for name, each in fields.items())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_misspelled_option_names_the_nearest(function):
    pictures = ["a.png"] * (1 if function in (jnst.texture, jnst.reconstruct) else 2)
    with pytest.raises(ValueError, match="unknown option 'styel_weight'; did you mean 'style_wei"):
        function(*pictures, styel_weight=3)
    with pytest.raises(ValueError, match="unknown option 'netwrk'; did you mean 'network'"):
        function(*pictures, netwrk=3)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        function(*pictures[1:])


def test_a_true_callback_ends_a_run(network, arrays, small):
    seen = []

    def stop(result):
        seen.append(result.steps)
        return result.steps >= 5

    options = {**small, "network": network, "callback": stop}
    assert jnst.stylize(*arrays, **{**options, "steps": 40}).steps == 5
    assert seen == [0, 5]
    assert jnst.texture(arrays[1], **{**options, "steps": 40, "content_layers": ()}).steps == 5
    assert jnst.stylize(*arrays, **{**options, "callback": lambda result: None}).steps == 6


def test_a_true_callback_ends_a_batch_and_a_video(network, arrays, small):
    content, style = arrays
    options = {**small, "network": network}
    many = jnst.stylize_batch(
        content,
        [style] * 4,
        batch_size=2,
        callback=lambda progress: min(progress.results) == 0 and progress.finished,
        **options,
    )
    assert [result.steps for result in many] == [6, 6]
    frames = [np.roll(content, 6 * number, axis=1) for number in range(3)]
    video = jnst.stylize_frames(frames, style, callback=lambda result: True, **options)
    assert len(list(video)) == 1


def test_progress_says_lines_where_there_is_no_terminal(network, arrays, small, capsys):
    options = {**small, "network": network}
    jnst.stylize(*arrays, **options)
    assert capsys.readouterr() == ("", "")
    jnst.stylize(*arrays, progress=True, **options)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "picture: level 1 of 1, 32 px, 0 %, compiling, 0 s"
    assert "100 %, step 6 of 6, loss " in err.splitlines()[-1]
    jnst.interpolate(arrays[0], [arrays[1]] * 2, count=2, progress=True, **options)
    assert "2 of 2 pictures begun, 100 %, step 6 of 6" in capsys.readouterr().err
