"""The daemon as systemd sees it: it tells its state, ends at once when asked, and leaves nothing behind."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP
from lab.rempart import COMPONENTS, Rempart
from lab.waiting import eventually

STOP_SECONDS = 2.0


class Notifications:
    """The receiving end of sd_notify."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.lines: list[str] = []

    def has(self, start: str) -> bool:
        while True:
            try:
                self.lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                break
        return any(line.startswith(start) for line in self.lines)


@pytest.fixture
def edge(lab: Lab) -> Iterator[Rempart]:
    edge = lab.rempart(lab.settings(lab.database(CHAN_SIP), CHAN_SIP, ["198.19.0.10"]).text())
    yield edge
    edge.destroy()


def alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended but was not collected by its parent yet does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_sigterm_ends_every_process_within_two_seconds(edge: Rempart) -> None:
    edge.start()
    pids = edge.pids()
    assert len(pids) == 1 + len(COMPONENTS) and all(alive(pid) for pid in pids)
    asked = time.monotonic()
    assert edge.stop() == 0
    assert time.monotonic() - asked < STOP_SECONDS
    assert [pid for pid in pids if alive(pid)] == []


def test_a_killed_supervisor_leaves_no_child_behind(edge: Rempart) -> None:
    edge.start()
    pids = edge.pids()
    edge.kill()
    eventually(lambda: not any(alive(pid) for pid in pids), "no process is left")


def test_systemd_is_told_of_readiness_state_liveliness_and_stopping(edge: Rempart, lab: Lab) -> None:
    told = Notifications(lab.folder / "notify")
    edge.start({"NOTIFY_SOCKET": str(told.path), "WATCHDOG_USEC": "1000000"})
    eventually(lambda: told.has("READY=1"), "READY=1")
    eventually(lambda: told.has("STATUS="), "STATUS=")
    eventually(lambda: told.has("WATCHDOG=1"), "WATCHDOG=1")
    edge.stop()
    assert told.has("STOPPING=1")
    told.socket.close()
    told.path.unlink()


def test_every_child_runs_as_a_user_of_its_own_and_not_as_root(edge: Rempart) -> None:
    edge.start()
    users: dict[str, int] = {}
    for name in COMPONENTS:
        status = Path(f"/proc/{edge.component(name)['pid']}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        users[name] = int(fields["Uid"].split()[0])
        assert len(set(fields["Uid"].split())) == 1
        assert fields["NoNewPrivs"] == "1", f"{name} may gain no privilege"
        assert fields["Seccomp"] == "2", f"{name} is confined by a filter"
    assert 0 not in users.values()
    assert len(set(users.values())) == len(COMPONENTS)


def test_bindings_outlive_a_restart_of_the_whole(edge: Rempart, lab: Lab) -> None:
    edge.start()
    with lab.client("198.18.2.37") as client:
        assert client.register(lab.accounts["1001"]) == 200
        (before,) = edge.phones("1001")
        edge.stop()
        edge.start()
        (after,) = edge.phones("1001")
    assert (after["contact"], after["address"]) == (before["contact"], before["address"])


def test_a_sip_router_that_hangs_is_replaced(edge: Rempart, lab: Lab) -> None:
    edge.start()
    with lab.client("198.18.2.37") as client:
        assert client.register(lab.accounts["1001"]) == 200
        hung = edge.component("sip-router")["pid"]
        os.kill(hung, signal.SIGSTOP)
        # Promised within 3 s.
        eventually(lambda: edge.component("sip-router")["pid"] not in (0, hung), "a new sip-router", 9)
        assert client.register(lab.accounts["1001"]) == 200
    assert "sip-router gave no heartbeat for 2.5 s and is killed" in edge.log()
