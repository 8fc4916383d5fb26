"""The spool: each image once, each study in one place, and nothing lost wherever the process ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from radloom.errors import RadloomError
from radloom.listening.spool import DEATHS, Spool, State, short_hash


def only(spool: Spool, state: State = State.RECEIVED) -> str:
    """The one study, which is in that state and no other."""
    assert [other for other in State if spool.studies(other)] == [state]
    [key] = spool.studies(state)
    return key


def test_an_image_that_comes_twice_is_one(spool: Spool) -> None:
    assert spool.add("1.2", "1.2.1", b"first")
    assert not spool.add("1.2", "1.2.1", b"second")
    assert spool.add("1.2", "1.2.2", b"other")
    images = spool.batch(only(spool), State.RECEIVED).images
    assert [image.read_bytes() for image in images] == [b"first", b"other"]
    assert spool.counts["images"] == 2 and list((spool.folder / "partial").iterdir()) == []


def test_one_process_holds_a_spool_and_what_was_not_finished_goes(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool"):
        (tmp_path / "spool" / "partial" / "0123").write_bytes(b"half")
        with pytest.raises(RadloomError, match="in use by another radloom listen"):
            Spool(tmp_path / "spool")
    with Spool(tmp_path / "spool") as again:
        assert list((again.folder / "partial").iterdir()) == []
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    (tmp_path / "open" / "received").mkdir(parents=True)
    with Spool(tmp_path / "open") as shared:
        assert all(entry.stat().st_mode & 0o077 == 0 for entry in shared.folder.iterdir())


def test_a_study_is_due_once_nothing_came_for_a_while(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    spool.add("1.2", "1.2.1", b"")
    now = 109.0
    spool.add("1.2", "1.2.2", b"")
    now = 118.0
    assert spool.due(10) == []
    now = 119.0
    assert spool.due(10) == [only(spool)]
    spool.postpone(only(spool))
    assert spool.due(10) == []


def test_the_study_that_waits_longest_is_due_first(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    came = [f"1.2.{i}" for i in range(9)]
    for study in came:
        now += 1
        spool.add(study, "1", b"")
    now += 60
    assert spool.due(10) == [short_hash(study) for study in came]
    spool.postpone(short_hash(came[0]))
    now += 60
    assert spool.due(10)[-1] == short_hash(came[0])


@pytest.mark.parametrize("state", [State.REPORTED, State.SENT, State.FAILED])
def test_a_study_that_gets_another_image_is_reported_anew(spool: Spool, state: State) -> None:
    spool.add("1.2", "1.2.1", b"")
    first = spool.batch(only(spool), State.RECEIVED)
    if state is State.FAILED:
        spool.fail(first, "It is upside down.")
        assert (spool.folder / "failed" / first.key / "why.txt").read_text() == "It is upside down.\n"
    else:
        assert spool.finish(first, b"report")
    if state is State.SENT:
        spool.mark_sent(spool.batch(first.key, State.REPORTED))
    assert not spool.add("1.2", "1.2.1", b"") and only(spool, state) == first.key
    assert spool.add("1.2", "1.2.2", b"")
    second = spool.batch(only(spool), State.RECEIVED)
    assert len(second.images) == 2 and second.name != first.name
    assert spool.finish(second, b"another")
    both = spool.folder / "reported" / only(spool, State.REPORTED)
    assert (both / second.report.name).read_bytes() == b"another"
    assert not (both / "why.txt").exists()


def test_a_report_of_too_few_images_is_dropped(spool: Spool) -> None:
    spool.add("1.2", "1.2.1", b"")
    batch = spool.batch(only(spool), State.RECEIVED)
    spool.add("1.2", "1.2.2", b"")
    assert not spool.finish(batch, b"report")
    assert not batch.report.exists() and only(spool) == batch.key


def test_what_was_sent_is_not_sent_again(spool: Spool) -> None:
    spool.add("1.2", "1.2.1", b"")
    spool.finish(spool.batch(only(spool), State.RECEIVED), b"report")
    batch = spool.batch(only(spool, State.REPORTED), State.REPORTED)
    (spool.folder / "reported" / batch.key).rename(spool.folder / "received" / batch.key)  # as for another image
    spool.mark_sent(batch)
    assert spool.finish(spool.batch(only(spool), State.RECEIVED))
    assert only(spool, State.SENT)


def test_a_study_that_kills_the_process_is_set_aside(spool: Spool) -> None:
    spool.add("1.2", "1.2.1", b"")
    batch = spool.batch(only(spool), State.RECEIVED)
    deaths = [spool.survived(batch) for _ in range(DEATHS)]
    for death in deaths:
        death.__enter__()  # and never leaves
    with pytest.raises(RadloomError, match="died 3 times"), spool.survived(batch):
        raise AssertionError
    with spool.survived(batch):  # somebody tries again
        pass
    assert sorted(batch.folder.iterdir()) == list(batch.images)


def test_a_study_that_gets_another_image_while_it_fails_is_read_again(spool: Spool) -> None:
    spool.add("1.2", "1.2.1", b"bad")
    batch = spool.batch(only(spool), State.RECEIVED)
    assert spool.add("1.2", "1.2.2", b"good")
    spool.fail(batch, "It cannot be read.")
    assert only(spool) == batch.key and len(spool.batch(batch.key, State.RECEIVED).images) == 2
    assert not (spool.folder / "received" / batch.key / "why.txt").exists()
