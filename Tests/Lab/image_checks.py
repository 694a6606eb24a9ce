"""The container image: what its page promises, before a phone. scripts/image-test.sh runs it, where podman works."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP
from lab.container import Container
from lab.waiting import eventually

PHONE = "198.18.2.38"
NAMES = ["CHOWN", "DAC_READ_SEARCH", "KILL", "NET_ADMIN", "SETGID", "SETPCAP", "SETUID"]


def make(lab: Lab) -> Container:
    settings = lab.settings(lab.database(CHAN_SIP), CHAN_SIP, ["198.19.0.10"])
    return Container(lab.new_folder("container"), lab.network.edge, settings)


@pytest.fixture
def unstarted(lab: Lab) -> Iterator[Container]:
    container = make(lab)
    yield container
    container.clear()


@pytest.fixture(scope="class")
def shared(lab: Lab) -> Iterator[Container]:
    """One for the tests of a class, which leave it as it was."""
    container = make(lab).start()
    yield container
    container.clear()


def registers(lab: Lab, transport: str = "udp") -> bool:
    with lab.client(PHONE, transport, port=5061 if transport == "tls" else 0) as phone:
        return phone.register(lab.accounts["1001"]) == 200


class TestRunning:
    """What one container does that goes on running."""

    def test_a_phone_registers_by_each_transport(self, lab: Lab, shared: Container) -> None:
        assert registers(lab) and registers(lab, "tcp") and registers(lab, "tls")

    def test_the_root_is_read_only(self, shared: Container) -> None:
        for place in ("/", "/usr", "/etc/rempart", "/var/lib"):
            assert "Read-only file system" in shared.shell(f"touch {place}/x").stderr

    def test_each_component_has_a_user_of_its_own_and_is_confined(self, shared: Container) -> None:
        pids = {one["name"]: one["pid"] for one in json.loads(shared.ask("status", "--json").stdout)["components"]}
        users = set()
        for name in ("tls-terminator", "sip-router", "accounts-reader", "directory", "banner"):
            lines = shared.shell(f"cat /proc/{pids[name]}/status").stdout.splitlines()
            status = {line.split(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}
            users.add(status["Uid"])
            wanted = f"{1 << 12 if name == 'banner' else 0:016x}"
            assert (status["CapEff"], status["CapBnd"]) == (wanted, wanted)
            assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        assert pids["supervisor"] == 1 and users == {"60901", "60902", "60903", "60904", "60905"}
        # Landlock, or anything else that is missing, would be told; the limit of open files is this machine's.
        weak = [record["message"] for record in shared.records() if record["message_id"].endswith("1009")]
        told = [message for message in weak if "limit of open files" not in message]
        assert told == [], "nothing is weaker than it should be"

    def test_bans_are_of_the_kernel_outside(self, lab: Lab, shared: Container) -> None:
        assert shared.ask("ban", "198.18.1.9").returncode == 0
        assert "198.18.1.9" in shared.nft("list", "table", "inet", "rempart")
        assert shared.ask("unban", "198.18.1.9").returncode == 0

    def test_every_line_of_the_log_is_json(self, lab: Lab, shared: Container) -> None:
        hostile = 'x"},\\ {"priority":0} \x1b[2J \x7f é'
        with lab.client("198.18.1.12") as stranger:
            stranger.send(stranger.request("REGISTER", "somebody", extra=[f"User-Agent: {hostile}", "Expires: 1", "Expires: 2"]).encoded())
        assert registers(lab)
        eventually(lambda: any("somebody" in str(one) for one in shared.records()), lambda: f"the refusal is told:\n{shared.log()}")
        for record in shared.records():
            assert list(record)[:5] == ["time", "priority", "message_id", "process", "message"]
            assert 2 <= record["priority"] <= 6 and len(record["message_id"]) == 32
            assert time.strptime(record["time"][:19], "%Y-%m-%dT%H:%M:%S") and record["time"].endswith("Z")
        assert any(record.get("account") == "1001" and record["process"] == "sip-router" for record in shared.records())

    def test_process_1_reaps_what_others_leave(self, shared: Container) -> None:
        # Its parent ends first, so that it becomes a child of process 1.
        orphan = shared.shell("sleep 0.2 >/dev/null 2>&1 & echo $!").stdout.strip()
        eventually(
            lambda: shared.shell(f"test -e /proc/{orphan}").returncode != 0,
            lambda: shared.shell(f"cat /proc/{orphan}/status").stdout,
        )
        assert shared.shell("grep -l '^State:.Z' /proc/[0-9]*/status").stdout == ""

    def test_signals_reach_process_1_and_those_that_mean_nothing_do_nothing(self, lab: Lab, shared: Container) -> None:
        for name in ("QUIT", "USR1", "USR2", "ALRM", "PIPE", "WINCH", "TTIN", "TTOU", "TSTP", "CONT", "CHLD", "ABRT"):
            assert shared.podman("kill", "--signal", name, shared.name).returncode == 0
        assert registers(lab)
        before = len(shared.records())
        assert shared.podman("kill", "--signal", "HUP", shared.name).returncode == 0
        eventually(
            lambda: any(one["message_id"].endswith("1007") for one in shared.records()[before:]),
            lambda: f"the settings are read again:\n{shared.log()}",
        )

    def test_a_component_that_dies_comes_back(self, lab: Lab, shared: Container) -> None:
        assert shared.ask("restart", "sip-router").returncode == 0
        assert shared.shell("kill -9 $(cat /proc/1/task/1/children | cut -d' ' -f1)").returncode == 0
        eventually(lambda: registers(lab), "phones are served again")


def test_a_degraded_edge_is_healthy_and_one_that_does_not_answer_is_not(unstarted: Container) -> None:
    text = (unstarted.settings_folder / "rempart.yaml").read_text()
    unstarted.write_settings(text.replace("inside:", "  - udp://198.18.255.77:5060\ninside:"))
    unstarted.start()
    eventually(lambda: unstarted.ask("status", "--check").returncode == 1, "an absent address is told")
    assert unstarted.health() == 0
    os.kill(unstarted.pid(), signal.SIGSTOP)
    assert unstarted.health() == 1
    os.kill(unstarted.pid(), signal.SIGCONT)
    eventually(lambda: unstarted.health() == 0, "it is healthy again")


@pytest.mark.parametrize("sign", ["TERM", "INT"])
def test_it_ends_in_good_order_and_the_next_one_has_the_bindings(lab: Lab, unstarted: Container, sign: str) -> None:
    unstarted.start()
    assert registers(lab)
    began = time.monotonic()
    if sign == "TERM":
        assert unstarted.stop() == 0
    else:
        unstarted.podman("kill", "--signal", sign, unstarted.name)
        assert unstarted.end() == 0
    assert time.monotonic() - began < 6
    assert unstarted.records()[-1]["process"] == "supervisor"
    # Another container, on the same volumes.
    unstarted.remove()
    unstarted.start()
    phones = json.loads(unstarted.ask("phones", "--json").stdout)
    assert [phone["account"] for phone in phones] == ["1001"]


def test_a_backup_is_made_while_it_runs_and_put_back(lab: Lab, unstarted: Container) -> None:
    unstarted.start()
    assert registers(lab)
    backup = unstarted.back_up()
    assert backup.stat().st_mode & 0o777 == 0o600
    # Root of the container cannot remove the copy, directory does.
    copy = "/var/lib/rempart/directory/bindings.backup"
    eventually(lambda: unstarted.shell(f"test -e {copy}").returncode != 0, "the copy is removed", 30)
    unstarted.stop()
    unstarted.remove()
    assert unstarted.podman("volume", "rm", unstarted.state).returncode == 0
    unstarted.write_settings("lost: true\n")
    assert (done := unstarted.put_back()).returncode == 0, done.stderr
    unstarted.start()
    phones = json.loads(unstarted.ask("phones", "--json").stdout)
    assert [phone["account"] for phone in phones] == ["1001"]


def refused(container: Container, *words: str) -> None:
    """It ends after its pause, and one line says what to add."""
    assert container.end() == 78
    last = container.records()[-1]
    assert last["priority"] == 2 and last["message_id"].endswith("1003")
    assert all(word in last["message"] for word in words), last["message"]


@pytest.mark.parametrize("name", NAMES)
def test_without_a_capability_it_says_which(unstarted: Container, name: str) -> None:
    refused(unstarted.launch(without=name), f"--cap-add {name}")


def test_on_another_network_than_the_hosts_it_is_refused(lab: Lab, unstarted: Container) -> None:
    # A namespace with an address of its own behind a bridge, as a container's network is.
    refused(unstarted.launch(namespace=lab.network.provider), "--network host")


def test_rootless_is_refused(lab: Lab) -> None:
    # All capabilities, but of a user namespace that the network does not belong to.
    words = ["unshare", "--user", "--map-root-user", str(lab.binaries / "supervisor"), "--log", "json", "--container"]
    done = subprocess.run(words, text=True, capture_output=True, check=False, timeout=20)
    assert done.returncode == 78
    assert "rootless" in json.loads(done.stderr)["message"]


def test_the_settings_are_looked_at_before_the_first_start(unstarted: Container) -> None:
    done = unstarted.check()
    assert done.returncode == 0 and "warning:" not in done.stderr, done.stderr
    unstarted.write_settings("domains: [example.test]\nouside: [udp://198.18.255.1:5060]\n")
    done = unstarted.check()
    assert done.returncode == 1 and "did you mean `outside`?" in done.stderr


def test_without_settings_it_says_so(unstarted: Container) -> None:
    (unstarted.settings_folder / "rempart.yaml").unlink()
    refused(unstarted.launch(), "/etc/rempart/rempart.yaml")


def test_wrong_settings_are_told_with_their_line(unstarted: Container) -> None:
    unstarted.write_settings("domains: [example.test]\nouside: [udp://198.18.255.1:5060]\n")
    refused(unstarted.launch(), "have errors")
    assert any("rempart.yaml:2:1" in record["message"] for record in unstarted.records())


def test_a_small_port_is_bound(unstarted: Container, lab: Lab) -> None:
    text = (unstarted.settings_folder / "rempart.yaml").read_text()
    unstarted.write_settings(text.replace("tcp://198.18.255.1:5060", "tcp://198.18.255.1:443"))
    unstarted.start()
