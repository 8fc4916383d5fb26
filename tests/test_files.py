from pathlib import Path

import pytest

from radloom.errors import CheckpointError
from radloom.files import whole_folder, write_whole


def write(folder: Path, text: str) -> None:
    with whole_folder(folder) as new:
        (new / "text").write_text(text)


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "model"
    for text in ("first", "second"):
        write(folder, text)
        assert (folder / "text").read_text() == text
    assert list(folder.parent.iterdir()) == [folder]


def test_an_error_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "model", "first")
    with pytest.raises(KeyError), whole_folder(tmp_path / "model") as new:
        (new / "text").write_text("half")
        raise KeyError
    assert (tmp_path / "model" / "text").read_text() == "first"
    write(tmp_path / "model", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_kill_between_the_renames_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path / "model", "first")
    (tmp_path / "model").rename(tmp_path / ".model.old")
    with pytest.raises(KeyError), whole_folder(tmp_path / "model"):
        raise KeyError
    assert (tmp_path / "model" / "text").read_text() == "first"


def test_a_file_is_written_whole_or_the_place_named(tmp_path: Path) -> None:
    assert write_whole(tmp_path / "a" / "b.txt", b"whole").read_bytes() == b"whole"
    with pytest.raises(CheckpointError, match=r"b\.txt.* cannot be written"):
        write_whole(tmp_path / "a" / "b.txt" / "c", b"whole", CheckpointError)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]
