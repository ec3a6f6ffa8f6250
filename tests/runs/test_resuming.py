"""A run that is stopped or killed goes on to the same picture."""

import numpy as np
import pytest

import jnst
from jnst.common.errors import CheckpointWarning
from jnst.optimizers.named import LBFGSMemory
from jnst.runs import engine, resuming
from jnst.runs.checkpoints import load_checkpoint
from jnst.runs.footprint import Fit
from jnst.runs.resuming import CheckpointFile, checkpoint_note
from jnst.settings.tiles import Tiles

LAYERS = {"content_layers": "relu2_1", "style_layers": ("relu1_1", "relu2_1")}


@pytest.fixture
def options(network):
    return {"network": network, "size": 64, "levels": 2, "steps": 24, **LAYERS}


@pytest.fixture
def content(arrays):
    return np.tile(arrays[0], (2, 2, 1))


@pytest.fixture
def killed(monkeypatch):
    """Ends a run as a kill would: what is not in its file is lost."""

    def run(least, content, style, path, **options):
        checkpoint = CheckpointFile(path, every=1)
        results = jnst.stylize_steps(content, style, checkpoint=checkpoint, **options)
        for result in results:
            if result.steps >= least:
                break
        monkeypatch.setattr(checkpoint, "save", lambda snapshot: None)
        results.close()
        return result.steps

    return run


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("steps", [3, 17])
def test_a_killed_run_goes_on_to_the_same_picture(
    arrays, content, options, killed, tmp_path, optimizer, steps
):
    style, path, options = (
        arrays[1],
        tmp_path / "run.checkpoint",
        options | {"optimizer": optimizer},
    )
    whole = jnst.stylize(content, style, **options)
    taken = killed(steps, content, style, path, **options)
    seen = []
    result = jnst.stylize(content, style, checkpoint=path, callback=seen.append, **options)
    assert 0 < seen[0].steps <= taken
    np.testing.assert_array_equal(result.image, whole.image)
    np.testing.assert_array_equal(result.history.loss, whole.history.loss)
    assert not path.exists()


def test_the_fit_of_the_run_is_gone_on_with(
    arrays, content, options, killed, tmp_path, monkeypatch
):
    """Pairs in bfloat16 and tiles too, whatever memory is free now."""
    style, path, options = arrays[1], tmp_path / "run.checkpoint", options | {"levels": 1}
    fit = Fit(Tiles(32, "pool1"), LBFGSMemory(5, "bfloat16"))
    monkeypatch.setattr(engine, "fit_level", lambda *_: fit)
    whole = jnst.stylize(content, style, **options)
    assert whole.recipe()["fit"] == {
        **{"tile": 32, "tile_until": "pool1", "pairs": 5, "pairs_in": "bfloat16"}
    }
    killed(9, content, style, path, **options)
    monkeypatch.setattr(engine, "fit_level", lambda *_: Fit())
    result = jnst.stylize(content, style, checkpoint=path, **options)
    np.testing.assert_array_equal(result.image, whole.image)
    assert result.fit == fit


def test_a_stopped_run_leaves_its_last_state(arrays, content, options, tmp_path):
    path = tmp_path / "run.checkpoint"
    checkpoint = CheckpointFile(path, every=0, note={"made": "here"})
    for result in jnst.stylize_steps(content, arrays[1], checkpoint=checkpoint, **options):
        assert not path.exists()
        if result.steps:
            break
    del result
    assert checkpoint_note(path) == {"made": "here"}


@pytest.mark.parametrize("change", ["settings", "picture", "network", "damage"])
def test_another_run_begins_anew(arrays, content, options, killed, tmp_path, change):
    style, path = arrays[1], tmp_path / "run.checkpoint"
    killed(5, content, style, path, **options)
    if change == "settings":
        options = options | {"style_weight": 31}
    elif change == "picture":
        style = style[::-1]
    elif change == "network":
        options = options | {"network": options["network"].replace(digest="another")}
    else:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(CheckpointWarning, match="is of another run, which this one replaces"):
        [first, *_] = jnst.stylize_steps(content, style, checkpoint=path, **options)
    assert first.steps == 0


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(ValueError, match="none: there is no unfinished run"):
        checkpoint_note(tmp_path / "none")
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(ValueError, match="text: is damaged, or no checkpoint"):
        checkpoint_note(tmp_path / "text")


def test_where_nothing_can_be_written_the_run_goes_on(arrays, content, options, tmp_path):
    path = tmp_path / "missing" / "run.checkpoint"
    checkpoint = CheckpointFile(path, every=1)
    with pytest.warns(CheckpointWarning, match="no checkpoint can be written"):
        result = jnst.stylize(content, arrays[1], checkpoint=checkpoint, **options)
    assert result.steps == 24


def test_a_checkpoint_is_written_about_every_so_many_steps(
    arrays, content, options, tmp_path, monkeypatch
):
    written = []
    save = resuming.save_checkpoint

    def saving(path, checkpoint, *arguments, **options):
        written.append(len(checkpoint.snapshot.histories[0].loss))
        save(path, checkpoint, *arguments, **options)

    monkeypatch.setattr(resuming, "save_checkpoint", saving)
    checkpoint = CheckpointFile(tmp_path / "run.checkpoint", every=10, keep=True)
    jnst.stylize(content, arrays[1], checkpoint=checkpoint, **options)
    assert len(written) == 2 and written[0] in range(10, 15) and written[1] in range(20, 25)
    assert load_checkpoint(checkpoint.path, [], ["another"], size=1) is None
    assert checkpoint.path.exists()
