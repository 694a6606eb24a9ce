"""The lab's own tap on the wire: it ends when it is told to, also while packets flow."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from conftest import Lab
from lab.capture import DRAIN_SECONDS, Capture
from lab.namespaces import EDGE_OUTSIDE, entered
from lab.waiting import eventually


@contextmanager
def flood(lab: Lab) -> Iterator[None]:
    """Datagrams from a phone's address to the edge's, one after the other."""
    with entered(lab.network.clients):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            sender.sendto(b"x", (EDGE_OUTSIDE, 9))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sender.close()


def test_a_capture_ends_while_packets_flow_and_has_them(lab: Lab) -> None:
    with flood(lab):
        with Capture(lab.network, "outside") as wire:
            eventually(lambda: wire.packets, "a packet is seen")
            began = time.monotonic()
        assert time.monotonic() - began < 3 * DRAIN_SECONDS
    assert wire.packets[0].payload == b"x" and not wire.packets[0].outgoing
