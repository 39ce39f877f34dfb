"""What was said once is revised, never dropped: a late release retracts, a gone process is said to be gone."""

from __future__ import annotations

from dataclasses import replace

from tracecollect.lifecycle.judge import revise
from tracecollect.model import SECOND, Finding, Instant, LeakedHold, LeakReport, Verdict

AT = Instant(1000 * SECOND)
HOLD = LeakedHold("0af7651916cd43dd8448eb211c80319c", None, None, AT, 41.0)
LEAK = Finding(
    "f_1", Verdict.LEAKED, 0.9, "B", "python-asyncpg", "orders", "i", "db", "POST /pay", None, "SELECT 1",
    3, AT, AT, None, None, 0, (), (HOLD,),
)  # fmt: skip


def report(*findings: Finding) -> LeakReport:
    return LeakReport(Instant(2000 * SECOND), findings, ())


def test_a_new_finding_is_kept_as_first_seen():
    said = revise((), report(LEAK), Instant(0))
    assert said.changed == (LEAK,)
    assert said.reasons == {"f_1": "first seen"}


def test_a_finding_that_did_not_change_is_not_written_again():
    assert revise((LEAK,), report(LEAK), Instant(0)).changed == ()


def test_a_grown_finding_says_what_it_was():
    said = revise((LEAK,), report(replace(LEAK, leaked_count=9)), Instant(0))
    assert said.reasons == {"f_1": "was 3 connections"}


def test_a_late_release_retracts_a_leak():
    said = revise((LEAK,), report(), Instant(0))
    (one,) = said.changed
    assert one.verdict is Verdict.CLOSED_LATE
    assert one.leaked_count == 0
    assert "retracted" in one.evidence[0].text


def test_a_finding_that_left_the_window_is_not_retracted():
    assert revise((LEAK,), report(), Instant(AT + 1)).changed == ()


def test_what_was_retracted_is_not_retracted_again():
    (gone,) = revise((LEAK,), report(), Instant(0)).changed
    assert revise((gone,), report(), Instant(0)).changed == ()
