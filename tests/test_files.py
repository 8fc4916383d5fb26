import subprocess
import sys
from pathlib import Path

import pytest

from radloom.errors import CheckpointError, RadloomError
from radloom.files import alone, whole_folder, write_whole


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


def test_one_process_is_alone_at_a_place(tmp_path: Path) -> None:
    folder, file = tmp_path / "run", tmp_path / "out.jsonl"
    folder.mkdir()
    script = (
        "import sys, pathlib; from radloom.files import alone\nwith alone(pathlib.Path(sys.argv[1])): print('alone')"
    )

    def other(place: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", script, place], capture_output=True, text=True, check=False)

    for place in (folder, file):
        with alone(place):
            refused = other(place)
            assert f"Another process is at work on {place}; wait for it" in refused.stderr
        assert other(place).stdout == "alone\n"
    assert list(folder.iterdir()) == [] and list(tmp_path.iterdir()) == [folder]
    with pytest.raises(ValueError), alone(folder):
        raise ValueError
    assert list(folder.iterdir()) == []


def test_a_place_is_free_when_its_process_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, time; from radloom.files import alone\n"
        "with alone(pathlib.Path(sys.argv[1])): print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
        with pytest.raises(RadloomError, match="Another process is at work"), alone(tmp_path):
            pass
        process.kill()
    with alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
