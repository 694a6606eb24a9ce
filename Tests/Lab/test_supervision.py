"""The daemon as systemd sees it: it tells its state, ends at once when asked, and leaves nothing behind."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP
from lab.clients import proven
from lab.rempart import COMPONENTS, Rempart
from lab.waiting import eventually

STOP_SECONDS = 2.0


class Notifications:
    """The receiving end of sd_notify, which reads as it comes: a sender waits while few datagrams are unread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        while datagram := self.socket.recv(4096):
            self.lines += datagram.decode().splitlines()

    def has(self, start: str) -> bool:
        return any(line.startswith(start) for line in list(self.lines))

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RD)
        self.reader.join()
        self.socket.close()
        self.path.unlink()


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
    eventually(lambda: told.has("STOPPING=1"), "STOPPING=1")
    told.close()


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


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "idle"])
def test_known_accounts_register_while_an_accounts_reader_hangs_which_is_replaced(
    edge: Rempart, lab: Lab, is_asked: bool
) -> None:
    edge.start()
    with lab.client("198.18.2.37") as known, lab.client("198.18.2.38") as unknown:
        assert known.register(lab.accounts["1001"]) == 200
        hung = edge.component("accounts-reader")["pid"]
        os.kill(hung, signal.SIGSTOP)
        stopped = time.monotonic()
        if is_asked:
            request = unknown.request("REGISTER", "1002", extra=["Expires: 600"])
            challenge = unknown.answer_to(request)
            assert challenge and challenge.status == 401
            unknown.send(proven(request, challenge, lab.accounts["1002"]).encoded())
        took: list[float] = []

        def is_replaced() -> bool:
            began = time.monotonic()
            assert known.register(lab.accounts["1001"]) == 200
            took.append(time.monotonic() - began)
            return edge.component("accounts-reader")["pid"] not in (0, hung)

        # Promised 2 s after the first look-up without an answer, else 5 s after the last heartbeat.
        eventually(is_replaced, lambda: f"a new accounts-reader:\n{edge.log()}", 30 if is_asked else 45)
        print(f"replaced after {time.monotonic() - stopped:.2f} s; {len(took)} registrations, the slowest in {max(took):.3f} s")
        eventually(lambda: unknown.register(lab.accounts["1002"]) == 200, "the new one is asked", 9)
    why = "has answered nothing for 10 s" if is_asked else "gave no heartbeat for 15 s"
    assert f"accounts-reader {why} and is killed" in edge.log()
    assert edge.component("directory")["restarts"] == 0


def test_directory_reads_no_account_database(edge: Rempart) -> None:
    edge.start()

    def opened(component: str) -> list[str]:
        folder = Path(f"/proc/{edge.component(component)['pid']}/fd")
        return [os.readlink(one) for one in folder.iterdir()]

    eventually(lambda: any(name.endswith("realtime.sqlite3") for name in opened("accounts-reader")), lambda: f"{opened('accounts-reader')}")
    assert not any(name.endswith("realtime.sqlite3") for name in opened("directory"))
    written = [name for name in opened("accounts-reader") if "/state/" in name]
    assert written == [], "accounts-reader keeps nothing"
