"""Starting under bad circumstances: a missing database is waited for, a bad certificate or a taken port is named."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP, make_database
from lab.certificates import make_certificate
from lab.namespaces import EDGE_OUTSIDE, command, entered
from lab.rempart import Rempart, Settings
from lab.waiting import eventually


@pytest.fixture
def settings(lab: Lab) -> Settings:
    return lab.settings(lab.new_folder("db") / "realtime.sqlite3", CHAN_SIP, ["198.19.0.10"])


@pytest.fixture
def started(lab: Lab) -> Iterator[list[Rempart]]:
    """Edges put here are ended after the test."""
    edges: list[Rempart] = []
    yield edges
    for edge in edges:
        edge.destroy()


def registers(lab: Lab, transport: str = "udp") -> bool:
    with lab.client("198.18.2.36", transport) as client:
        return client.register(lab.accounts["1001"]) == 200


def test_a_database_that_comes_later_is_waited_for(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    edge = lab.rempart(settings.text())
    started.append(edge)
    edge.start()
    eventually(lambda: str(settings.database) in edge.log(), "the missing database is named")
    assert not registers(lab)
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    eventually(lambda: registers(lab), "accounts are found by itself", 30, every=0.5)


def test_a_database_without_the_columns_is_named_and_comes_good(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    with closing(sqlite3.connect(settings.database)) as database, database:
        database.execute("CREATE TABLE sippeers (unrelated TEXT)")
    settings.database.chmod(0o644)
    edge = lab.rempart(settings.text())
    started.append(edge)
    edge.start()
    eventually(lambda: "sippeers" in edge.log(), "the table that lacks columns is named")
    assert not registers(lab)
    settings.database.unlink()
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    eventually(lambda: registers(lab), "accounts are found by itself", 30, every=0.5)


def test_a_locked_database_stops_nothing_and_comes_good(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    edge = lab.rempart(settings.text())
    started.append(edge)
    with closing(sqlite3.connect(settings.database, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        edge.start()
        with lab.client("198.18.2.36") as client:
            assert client.answer_to(client.request("OPTIONS", "1001")), "SIP is answered meanwhile"
        assert not registers(lab)
        database.execute("ROLLBACK")
    eventually(lambda: registers(lab), "accounts are found by itself", 30, every=0.5)


def says(edge: Rempart, started: list[Rempart], *named: str) -> None:
    """Starts an edge and waits until its log names what is wrong, whether it goes on or ends."""
    started.append(edge)
    edge.launch()
    eventually(lambda: any(name in edge.log() for name in named), lambda: f"{named} named; the log:\n{edge.log()}")


def test_a_missing_certificate_is_named(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    settings.certificate = lab.folder / "no-such.crt"
    says(lab.rempart(settings.text()), started, "no-such.crt")


def test_a_missing_key_is_named(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    settings.key = lab.folder / "no-such.key"
    says(lab.rempart(settings.text()), started, "no-such.key")


def test_a_key_of_another_certificate_is_named(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    _, settings.key = make_certificate(lab.new_folder("other"), "other.test", [EDGE_OUTSIDE], "other")
    says(lab.rempart(settings.text()), started, "tls.key: the key does not match")


def tls_is_closed(lab: Lab) -> bool:
    """Whether a phone's TCP connection to the TLS port ends at once, without a handshake."""
    with entered(lab.network.clients), socket.socket() as phone:
        phone.settimeout(3)
        try:
            phone.connect((EDGE_OUTSIDE, 5061))
            return phone.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def test_a_pair_that_does_not_fit_closes_tls_alone_until_a_reload_brings_one_that_does(
    lab: Lab, settings: Settings, started: list[Rempart]
) -> None:
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    folder = lab.new_folder("pairs")
    settings.certificate, key = make_certificate(folder, lab.domain, [EDGE_OUTSIDE], "used")
    _, other = make_certificate(folder, "other.test", [EDGE_OUTSIDE], "other")
    settings.key = folder / "link.key"
    settings.key.symlink_to(other)
    edge = lab.rempart(settings.text())
    started.append(edge)
    edge.start()
    assert tls_is_closed(lab)
    with lab.client("198.18.2.36") as client:
        assert client.answer_to(client.request("OPTIONS", "1001")), "UDP is served"
    assert edge.ask("status", "--check").returncode == 1
    assert "the key does not match" in edge.ask("status").stdout

    settings.key.unlink()
    settings.key.symlink_to(key)
    assert edge.ask("reload").returncode == 0
    with lab.client("198.18.2.36", "tls") as client:
        assert client.answer_to(client.request("OPTIONS", "1001")), "TLS is served"
    eventually(lambda: "the key does not match" not in edge.ask("status").stdout, "nothing is wrong with it any more")

    # A broken pair and another setting in one reload: the setting is in force, the command fails and says why.
    settings.key.unlink()
    settings.key.symlink_to(other)
    settings.defence = {"mode": "observe"}
    edge.write_settings(settings.text())
    done = edge.ask("reload")
    assert done.returncode == 1
    assert "the new settings are in force, but tls-terminator: tls.key: the key does not match" in done.stderr + done.stdout
    eventually(lambda: "observed" in edge.component("banner")["status"], lambda: f"the other setting is in force: {edge.component('banner')}")
    with lab.client("198.18.2.36", "tls") as client:
        assert client.answer_to(client.request("OPTIONS", "1001")), "TLS is served by the pair of before"
    # The next terminator has it too.
    edge.kill_component("tls-terminator")
    with lab.client("198.18.2.36", "tls") as client:
        assert client.answer_to(client.request("OPTIONS", "1001")), "TLS is served by the next process"


def test_two_edges_on_one_kernel_leave_each_others_table_alone(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    first = lab.rempart(settings.text())
    settings.port, settings.inside_port = 5080, 5090
    second = lab.rempart(settings.text())
    for edge in (first, second):
        started.append(edge)
        edge.start()
    for edge in (first, second):
        judged = json.loads(edge.ask("why", "192.0.2.1", "--json").stdout)["judged by"]
        assert f"table inet {edge.table()} alone" in judged
    assert first.ask("ban", "198.18.2.37", "--for", "1h").returncode == 0
    assert second.ask("ban", "198.18.2.38", "--for", "1h").returncode == 0
    ours, theirs = (edge.nft("list", "set", "inet", "TABLE", "banned4") for edge in (first, second))
    assert "198.18.2.37" in ours and "198.18.2.38" not in ours
    assert "198.18.2.38" in theirs and "198.18.2.37" not in theirs
    assert not any("changed by somebody else" in edge.log() for edge in (first, second))


def binds(taken: socket.socket) -> bool:
    try:
        taken.bind((EDGE_OUTSIDE, 5060))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_taken_port_is_named(lab: Lab, settings: Settings, started: list[Rempart], transport: str) -> None:
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    with entered(lab.network.edge):
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    if transport == "tcp":
        # Connections of the tests before this one may be in TIME_WAIT for a minute.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with taken:
        eventually(lambda: binds(taken), "an edge of before has let go of the port")
        if transport == "tcp":
            taken.listen()
        edge = lab.rempart(settings.text())
        started.append(edge)
        edge.launch()
        assert edge.wait_end(10) != 0
    assert f"{EDGE_OUTSIDE}:5060" in edge.log() and transport in edge.log().lower(), edge.log()


def unprivileged(lab: Lab) -> tuple[Rempart, Settings]:
    """An edge run by nobody, on loopback ports, from folders nobody may write."""
    folder = lab.new_folder("own")
    certificate, key = make_certificate(folder, lab.domain, ["127.0.0.1"])
    database = folder / "realtime.sqlite3"
    make_database(database, CHAN_SIP, lab.accounts.values())
    settings = Settings([lab.domain], database, CHAN_SIP, ["127.0.0.2"], certificate, key)
    settings.outside, settings.inside, settings.port, settings.inside_port = "127.0.0.1", "127.0.0.1", 15060, 15070
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    edge = Rempart(folder / "edge", lab.binaries, settings.text(), ["ip", "netns", "exec", lab.network.clients, *nobody])
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 65534, 65534)
    return edge, settings


def test_it_runs_without_root_and_says_that_kernel_bans_are_off(lab: Lab, started: list[Rempart]) -> None:
    edge, _ = unprivileged(lab)
    started.append(edge)
    edge.start()
    assert edge.status()["kernelBans"] is False
    assert "root" in edge.log()
    account = lab.accounts["1001"]
    with lab.client("127.0.0.1", "udp", 15060, edge="127.0.0.1") as client:
        assert client.register(account) == 200
    assert [phone["account"] for phone in edge.phones()] == [account.name]


def test_without_root_the_edges_own_list_bans(lab: Lab, started: list[Rempart]) -> None:
    edge, _ = unprivileged(lab)
    started.append(edge)
    edge.start()
    assert edge.ask("ban", "127.0.0.9", "--for", "1h").returncode == 0
    with lab.client("127.0.0.9", "udp", 15060, edge="127.0.0.1") as banned:
        assert banned.answer_to(banned.request("OPTIONS", "1001"), seconds=1) is None
    assert edge.ask("unban", "127.0.0.9").returncode == 0
    with lab.client("127.0.0.9", "udp", 15060, edge="127.0.0.1") as client:
        assert client.register(lab.accounts["1001"]) == 200


def checked(edge: Rempart) -> tuple[int, str]:
    done = edge.ask("status", "--check")
    return done.returncode, done.stdout


def test_an_outside_address_may_come_later_go_and_come_back(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    late = "198.18.255.77"
    edge = lab.rempart(settings.text().replace("inside:\n", f"  - udp://{late}:5060\ninside:\n", 1))
    started.append(edge)
    edge.start()
    eventually(lambda: checked(edge)[1].startswith("degraded: "), "a degraded start")
    code, line = checked(edge)
    assert code == 1 and f"{late} of outside is not on this machine" in line + edge.log()
    assert registers(lab), "the other address serves"

    def told(what: str) -> int:
        return edge.log().count(f"rempart[supervisor]: {late} of outside {what}")

    def registers_there() -> bool:
        with lab.client("198.18.2.36", edge=late) as client:
            return client.register(lab.accounts["1001"]) == 200

    for turn in (1, 2):
        command("ip", "-n", lab.network.edge, "address", "add", f"{late}/32", "dev", "outside")
        try:
            eventually(registers_there, "the address serves once it is there", 30, every=0.5)
            eventually(lambda: told("is on this machine") == turn, "that is told once", 30)
        finally:
            command("ip", "-n", lab.network.edge, "address", "del", f"{late}/32", "dev", "outside")
        eventually(lambda: told("is not on this machine") == turn + 1, "and when it goes", 30)
    assert registers(lab)


def test_wrong_settings_end_with_the_exit_code_that_no_retry_mends(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    edge = lab.rempart(settings.text().replace("domains:", "domainz:"))
    started.append(edge)
    edge.launch()
    assert edge.wait_end(10) == 78


def test_a_certificate_that_is_missing_keeps_no_phone_from_udp(lab: Lab, settings: Settings, started: list[Rempart]) -> None:
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    settings.key = lab.folder / "no-such.key"
    edge = lab.rempart(settings.text())
    started.append(edge)
    edge.launch()
    eventually(lambda: registers(lab), "phones by UDP are served", 30, every=0.5)
    eventually(lambda: checked(edge)[0] == 1, "degraded", 30)
    assert "tls.key" in checked(edge)[1]
    assert "no-such.key" in edge.ask("status").stdout
    edge.write_settings(settings.text().replace(f"domains: [{lab.domain}]", f"domains: [{lab.domain}, other.test]"))
    # The domain is in force; the command fails all the same, for TLS has no pair to serve with.
    done = edge.ask("reload")
    assert done.returncode == 1
    assert "the new settings are in force, but tls-terminator: tls.key: " in done.stderr + done.stdout
