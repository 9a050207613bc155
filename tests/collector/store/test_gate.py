"""Who may read when, beside a writer that needs a moment alone."""

import threading

import pytest

from collector.store.gate import Gate

PATIENCE_S = 30
A_WHILE_S = 0.2


def reader(gate: Gate) -> threading.Event:
    """Somebody who comes now; set when they were let in, and have left."""
    done = threading.Event()

    def read() -> None:
        gate.enter()
        gate.leave()
        done.set()

    threading.Thread(target=read, daemon=True).start()
    return done


def test_a_moment_begins_when_all_have_left() -> None:
    gate = Gate()
    gate.enter()
    threading.Timer(A_WHILE_S, gate.leave).start()
    assert gate.shut(PATIENCE_S)
    gate.open()


def test_who_stays_is_waited_for_so_long_and_no_longer() -> None:
    gate = Gate()
    gate.enter()
    assert not gate.shut(A_WHILE_S)
    gate.open()
    assert reader(gate).wait(PATIENCE_S)


def test_new_ones_are_let_in_after_a_while() -> None:
    gate = Gate()
    with gate.moment(0, let_in_s=0.01):
        assert reader(gate).wait(PATIENCE_S)


def test_or_at_the_end() -> None:
    gate = Gate()
    with gate.moment(0, let_in_s=None):
        waiting = reader(gate)
        assert not waiting.wait(A_WHILE_S)
    assert waiting.wait(PATIENCE_S)


def test_a_moment_that_is_over_lets_nobody_into_the_next() -> None:
    gate = Gate()
    with gate.moment(0, let_in_s=A_WHILE_S / 2):
        pass
    gate.shut()
    waiting = reader(gate)
    assert not waiting.wait(A_WHILE_S)
    gate.open()
    assert waiting.wait(PATIENCE_S)


def test_without_a_thread_to_be_had_they_wait_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    gate = Gate()
    monkeypatch.setattr(threading.Timer, "start", refused)
    with gate.moment(0, let_in_s=0):
        waiting = reader(gate)
        assert not waiting.wait(A_WHILE_S)
    assert waiting.wait(PATIENCE_S)
