"""A call that may hang: its caller waits a bounded time, the next callers not at all, and it heals by itself."""

from __future__ import annotations

import threading

import pytest

from keygw.model.errors import SignerError
from keygw.store.one_thread import OneThread


def test_answers_and_errors_come_through_from_one_other_thread() -> None:
    calls = OneThread("test")
    assert {calls.run(threading.get_ident) for _ in range(3)} != {threading.get_ident()}
    assert len({calls.run(threading.get_ident) for _ in range(3)}) == 1
    for wrong in (ZeroDivisionError, TimeoutError, KeyboardInterrupt):

        def fail(wrong: type[BaseException] = wrong) -> None:
            raise wrong

        with pytest.raises(wrong):
            calls.run(fail)
    calls.close()


def test_a_call_that_hangs_holds_its_caller_for_the_patience_and_the_next_ones_not_at_all() -> None:
    calls, let_go, began = OneThread("the HSM", patience=0.01), threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        let_go.wait(60)

    with pytest.raises(SignerError) as caught:
        calls.run(hang)
    assert began.is_set()
    assert caught.value.code == "signer_timeout"
    assert caught.value.retryable
    done: list[str] = []
    for _ in range(100):
        with pytest.raises(SignerError):
            calls.run(lambda: done.append("must not happen"), patience=60)  # would wait, were it let in
    let_go.set()
    while True:  # the call that hung has to come back first
        try:
            assert calls.run(lambda: 7, patience=60) == 7
            break
        except SignerError:
            continue
    assert done == []
    calls.close()
