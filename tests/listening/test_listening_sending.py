"""Reports go to another node until it takes them."""

from __future__ import annotations

import logging
from threading import Event
from typing import Any

import pytest
from nodes import Stub, encoded, image, taking

from radloom.errors import RadloomError
from radloom.listening.reporting import Reporter
from radloom.listening.sending import LONGEST_DELAY, Backoff, Peer, Sender, check_title
from radloom.listening.spool import Spool, State


@pytest.fixture
def reported(spool: Spool, caplog: pytest.LogCaptureFixture) -> Spool:
    """A spool with two reports that are to be sent."""
    caplog.set_level(logging.INFO, "radloom.listening")
    model: Any = Stub()
    for study in ("1.2", "1.3"):
        spool.add(study, f"{study}.1", encoded(image(study)))
        Reporter(model, spool, 0.0).step()
    return spool


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as backoff sees it."""
    now = [1000.0]
    monkeypatch.setattr(Backoff, "now", staticmethod(lambda: now[0]))
    return now


def test_reports_are_sent_once(reported: Spool) -> None:
    with taking() as (port, reports):
        sender = Sender(Peer("PACS", "127.0.0.1", port), "RADLOOM", reported, Event())
        sender.step()
        sender.step()
    assert {report.StudyInstanceUID for report in reports} == {"1.2", "1.3"} and len(reports) == 2
    assert len(reported.studies(State.SENT)) == 2


def test_a_refused_report_is_sent_later_and_others_go_on(reported: Spool, now: list[float]) -> None:
    answers = iter([0xA700, 0, 0xC000, 0xB000])
    with taking(lambda _: next(answers)) as (port, reports):
        sender = Sender(Peer("PACS", "127.0.0.1", port), "RADLOOM", reported, Event())
        for seconds, tries, sent in ((0, 2, 1), (0.5, 2, 1), (0.5, 3, 1), (1, 3, 1), (1, 4, 2)):
            now[0] += seconds
            sender.step()
            assert (len(reports), len(reported.studies(State.SENT))) == (tries, sent)


def test_a_node_that_is_away_is_waited_for(reported: Spool, now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    with taking() as (port, _):
        pass
    sender = Sender(Peer("PACS", "127.0.0.1", port), "RADLOOM", reported, Event())
    for _ in range(2):
        sender.step()
    assert caplog.text.count("takes no reports, 2 wait; next try in 1 s") == 1
    nowhere = Sender(Peer("PACS", "no-such-host.invalid", port), "RADLOOM", reported, Event())
    nowhere.step()
    assert "PACS at no-such-host.invalid" in caplog.text
    assert len(reported.studies(State.REPORTED)) == 2


def test_delays_double_up_to_a_limit(now: list[float]) -> None:
    backoff = Backoff()
    assert backoff.ready("x")
    assert [backoff.fail("x") for _ in range(10)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_DELAY]
    assert not backoff.ready("x") and backoff.ready("y")
    backoff.succeed("x")
    assert backoff.ready("x") and backoff.fail("x") == 1


def test_nodes_are_named_as_title_host_and_port() -> None:
    assert Peer.parse("PACS@10.0.0.7:104") == Peer("PACS", "10.0.0.7", 104)
    assert Peer.parse("MY PACS@[::1]:104") == Peer("MY PACS", "::1", 104)
    for wrong in ("PACS", "PACS@host", "PACS@host:port", "PACS@:104", "PACS@host:70000", "PACS@host:0"):
        with pytest.raises(RadloomError, match="is not of the form TITLE@HOST:PORT"):
            Peer.parse(wrong)
    for wrong in ("", " ", "SEVENTEEN_LETTERS", "Ä", "A\\B", "A\nB"):
        with pytest.raises(RadloomError, match="is no AE title"):
            check_title(wrong)
