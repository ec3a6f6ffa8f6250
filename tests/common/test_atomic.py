import os

import pytest

from jnst.common.atomic import atomic_path, remove_unfinished


def test_success_replaces_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("there", [True, False])
def test_failure_leaves_the_folder_as_it_was(tmp_path, error, there):
    path = tmp_path / "a.txt"
    if there:
        path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert [(file, file.read_text()) for file in tmp_path.iterdir()] == [(path, "old")] * there


def test_nothing_written_is_an_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass
    assert path.read_text() == "old"


def test_two_at_once_do_not_meet(tmp_path):
    with atomic_path(tmp_path / "a.txt") as first, atomic_path(tmp_path / "a.txt") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["first"]


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        os.link(temporary, tmp_path / temporary.name.replace("a.txt", "b.txt"))
        kept = temporary.rename(tmp_path / "left")
        raise KeyboardInterrupt
    kept.rename(temporary)
    (tmp_path / ".notes.20261126").write_text("of the user")
    (tmp_path / ".a.txt.0123456").write_text("of the user")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / temporary.name).write_text("of the user")
    before = {path.name for path in tmp_path.iterdir()}
    remove_unfinished(tmp_path, "a.txt".__eq__)
    assert before - {path.name for path in tmp_path.iterdir()} == {temporary.name}
    assert (tmp_path / "deeper" / temporary.name).exists()


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path):
    with pytest.raises(OSError) as raised, atomic_path(tmp_path / "none" / "a.txt") as temporary:
        temporary.write_text("x")
    assert raised.value.filename == str(tmp_path / "none" / "a.txt")
