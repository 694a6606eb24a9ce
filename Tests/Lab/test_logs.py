"""A log that nobody reads, a full pipe or a journal that stands still: no process waits for it, and the loss is told."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP
from lab.rempart import COMPONENTS, Rempart
from lab.waiting import eventually

PHONE, STRANGER = "198.18.2.34", "198.18.2.35"
PIPE_BYTES = 4096
LOST = "records are lost, since nobody read the log"


class Unread:
    """Where an edge's records go, which is read only when the test says so."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.seen = ""

    def start(self) -> Rempart:
        raise NotImplementedError

    def read(self) -> str:
        """Everything that was written so far."""
        with contextlib.suppress(BlockingIOError):
            while piece := self.piece():
                self.seen += piece.decode(errors="replace")
        return self.seen

    def piece(self) -> bytes:
        raise NotImplementedError

    def edge(self, prefix: list[str]) -> Rempart:
        database = self.lab.database(CHAN_SIP)
        settings = self.lab.settings(database, CHAN_SIP, ["198.19.0.10"])
        edge = self.lab.rempart(settings.text())
        edge.prefix = [*edge.prefix, *prefix]
        return edge


class FullPipe(Unread):
    """Standard error is a pipe that holds a few records."""

    def start(self) -> Rempart:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self.reading, False)
        return self.edge([]).start(output=self.writing)

    def piece(self) -> bytes:
        return os.read(self.reading, 65536)


class FullPipeOfJSON(FullPipe):
    """The same, of one JSON object a line."""

    def edge(self, prefix: list[str]) -> Rempart:
        edge = super().edge(prefix)
        edge.arguments = ["--log", "json"]
        return edge


class StillJournal(Unread):
    """journald's socket, which takes the few datagrams that the kernel lets wait."""

    def start(self) -> Rempart:
        folder = self.lab.new_folder("run")
        path = folder / "systemd/journal/socket"
        path.parent.mkdir(parents=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self.socket.setblocking(False)
        edge = self.edge(["sh", "-c", f'mount --bind {folder} /run && exec "$@"', "sh"])
        return edge.start(environment={"JOURNAL_STREAM": "1:1"})

    def piece(self) -> bytes:
        return self.socket.recv(65536)


@pytest.fixture(params=[FullPipe, FullPipeOfJSON, StillJournal], ids=["full pipe", "full pipe of JSON", "journal that stands still"])
def log(request: pytest.FixtureRequest, lab: Lab) -> Unread:
    return request.param(lab)


@pytest.fixture
def edge(log: Unread) -> Iterator[Rempart]:
    edge = log.start()
    yield edge
    edge.destroy()


def flood(lab: Lab, seconds: float = 7) -> None:
    """More refusals than a process keeps: sip-router writes fifty a second one by one."""
    with contextlib.ExitStack() as held:
        strangers = [held.enter_context(lab.client(f"198.18.1.{last}")) for last in range(20, 26)]
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            stranger = strangers[number % len(strangers)]
            stranger.send(stranger.request("REGISTER", f"somebody{number}", extra=["Expires: 60", "Expires: 61"]).encoded())
            number += 1
            # A pace, not a wait: eighty a second.
            time.sleep(1 / 80)


def handshakes(lab: Lab, count: int) -> None:
    """Connections that never say a word of TLS, each a record of tls-terminator's own."""
    for _ in range(count):
        with lab.client(STRANGER, "tcp", port=5061) as client:
            client.send(b"no TLS at all\r\n\r\n")
            client.closed()


def test_nobody_waits_for_the_log(lab: Lab, log: Unread, edge: Rempart) -> None:
    pids = edge.pids()
    flood(lab)
    handshakes(lab, 15)
    for number in range(60):
        assert edge.ask("ban", f"203.0.113.{number}").returncode == 0
    with lab.client(PHONE) as phone:
        began = time.monotonic()
        for _ in range(30):
            assert phone.register(lab.accounts["1001"]) == 200
            assert phone.register(lab.accounts["1001"], expires=0) == 200
        # Each waits for its answer, and none longer than a retransmission.
        assert time.monotonic() - began < 60
    assert edge.ask("status").returncode == 0
    # A process that waited would have been replaced for want of a heartbeat.
    assert edge.pids() == pids
    # Whoever reads again is told how many are lost, and what matters has stayed.
    eventually(lambda: LOST in log.read(), lambda: f"the loss is told of:\n{log.seen[-4000:]}", 15)
    eventually(lambda: "203.0.113.59" in log.read(), "every ban was kept", 15)


def test_every_process_is_replaced_while_nobody_reads(lab: Lab, log: Unread, edge: Rempart) -> None:
    flood(lab, 1)
    for component in COMPONENTS:
        assert edge.ask("restart", component).returncode == 0
        assert edge.component(component)["state"] == "ready"
    with lab.client(PHONE) as phone:
        assert phone.register(lab.accounts["1002"]) == 200
    eventually(lambda: "banner started" in log.read(), "what mattered was kept", 15)
    with lab.client(PHONE) as phone:
        assert phone.register(lab.accounts["1003"]) == 200
    eventually(lambda: "1003" in log.read(), "what happens now is written now", 15)
    assert edge.stop() == 0


def test_every_line_is_json_although_several_processes_write_into_a_full_pipe(lab: Lab) -> None:
    log = FullPipeOfJSON(lab)
    edge = log.start()
    try:
        flood(lab)
        handshakes(lab, 15)
        for component in COMPONENTS:
            assert edge.ask("restart", component).returncode == 0
        edge.write_settings(edge.settings.read_text() + "nonsense: 1\n")
        assert edge.ask("reload").returncode == 1
        eventually(lambda: "nonsense" in log.read(), lambda: f"all is told:\n{log.seen[-4000:]}", 15)
        with lab.client("198.18.2.37") as phone:
            hostile = 'User-Agent: \\ " }\x1b[2J {"priority":0}' + "\u202e\x00"[:1] + '"' * 3000
            phone.send(phone.request("REGISTER", "1001", extra=[hostile, "Expires: 60", "Expires: 61"]).encoded())
            eventually(lambda: "198.18.2.37" in log.read(), lambda: f"the refusal is told:\n{log.seen[-4000:]}", 15)
        assert edge.stop() == 0
    finally:
        edge.destroy()
    records = [json.loads(line) for line in log.read().splitlines()]
    assert {"supervisor", *COMPONENTS} - {"accounts-reader", "directory", "banner"} <= {record["process"] for record in records}
    assert all(isinstance(record["priority"], int) and record["message"] for record in records)
    # The loader and the reader of the settings have no form of their own.
    assert any(record["message_id"].endswith("1063") for record in records)


def test_the_end_does_not_wait_for_the_log(lab: Lab, log: Unread, edge: Rempart) -> None:
    flood(lab, 1)
    began = time.monotonic()
    assert edge.stop() == 0
    assert time.monotonic() - began < 6


def test_the_pipe_of_whoever_started_it_still_waits_for_him(lab: Lab) -> None:
    log = FullPipe(lab)
    edge = log.start()
    try:
        assert os.get_blocking(log.writing)
    finally:
        edge.destroy()


def test_a_log_that_is_closed_ends_nobody(lab: Lab) -> None:
    log = FullPipe(lab)
    edge = log.start()
    try:
        os.close(log.reading)
        pids = edge.pids()
        flood(lab, 1)
        assert edge.ask("restart", "banner").returncode == 0
        assert len(edge.pids() & pids) == len(pids) - 1
    finally:
        edge.destroy()
