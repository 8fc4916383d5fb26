import pytest
import torch

from radloom.training.determinism import seeded
from radloom.training.progress import ProgressLine, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (9, "9 s"), (59.6, "1 min 00 s"), (250, "4 min 10 s"), (3600, "1 h 00 min"), (3720, "1 h 02 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


LINE = {"step": 5, "epoch": 0, "lr": 0.1, "items_per_s": 3.0, "l1": 0.12345, "norm/net": 2.0}


def test_line_shows_step_speed_and_losses_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressLine("codec", start=0, total=5)
    progress.update(5, LINE)
    progress.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "codec  5/5  0 s left  3.0 items/s  l1 0.1235\n"


def test_few_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressLine("codec", start=0, total=100)
    for step in range(1, 101):
        progress.update(step, LINE)
    assert len(capsys.readouterr().err.splitlines()) <= 2


def test_other_processes_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLine("codec", 0, 5, enabled=False).update(5, LINE)
    assert capsys.readouterr().err == ""


def test_seeded_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with seeded(5):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with pytest.raises(KeyError), seeded(5):
        assert torch.equal(torch.rand(2), first)
        raise KeyError
