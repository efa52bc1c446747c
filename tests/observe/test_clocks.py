"""The CPU clocks of the application's own threads."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from headwaiter._process import clocks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")


def test_threads_that_compute_are_told_from_those_that_sleep() -> None:
    done = threading.Event()
    used = threading.Event()

    def compute() -> None:
        while time.thread_time() < 0.1:
            pass
        used.set()
        done.wait()

    threads = [
        threading.Thread(target=compute, name="computes"),
        threading.Thread(target=done.wait, name="sleeps"),
        threading.Thread(target=done.wait, name="headwaiter-0"),
    ]
    for thread in threads:
        thread.start()
    try:
        used.wait()
        found = {name: cpu for _, name, cpu in clocks.read()}
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert found["computes"] >= 0.1
    assert found["sleeps"] < 0.1
    assert "headwaiter-0" not in found
    assert "MainThread" in found
    assert "computes" not in {name for _, name, _ in clocks.read()}
