"""The kernel's side of the defence, on an edge that needs no Asterisk for it: lists, countries, limits, exceptions."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.clients import Client
from lab.mmdb import database
from lab.namespaces import EDGE_OUTSIDE, command, entered
from lab.rempart import Rempart, Settings
from lab.waiting import eventually

FIRST, SECOND = "198.18.2.10", "198.18.2.11"


@contextlib.contextmanager
def edge_with(
    lab: Lab, defence: dict[str, str], prepare: Callable[[Settings], None] = lambda settings: None
) -> Iterator[Rempart]:
    settings = lab.settings(lab.database("chan_sip"), "chan_sip", ["198.19.0.10"])
    settings.defence = defence
    prepare(settings)
    edge = lab.rempart(settings.text()).start()
    try:
        yield edge
    finally:
        edge.destroy()


def in_edge(lab: Lab, *words: str) -> str:
    return command("ip", "netns", "exec", lab.network.edge, *words)


def is_answered(lab: Lab, address: str, transport: str = "udp", edge: str = EDGE_OUTSIDE) -> bool:
    with lab.client(address, transport, edge=edge) as client:
        return client.answer_to(client.request("OPTIONS", "1001"), seconds=1) is not None


def replace(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.chmod(0o644)
    fresh.rename(path)


def why(edge: Rempart, address: str) -> dict:
    done = edge.ask("why", address, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_block_list_is_followed_as_its_file_is_replaced(lab: Lab) -> None:
    path = lab.new_folder("lists") / "blocked.txt"
    replace(path, f"# shared\n{FIRST}/32\n".encode())
    with edge_with(lab, {"blocklists": f"[{path}]"}) as edge:
        assert not is_answered(lab, FIRST)
        assert is_answered(lab, SECOND)
        assert why(edge, FIRST)["block list"] == str(path)
        replace(path, f"{SECOND}/32\n".encode())
        eventually(lambda: is_answered(lab, FIRST), "the first is answered again")
        assert not is_answered(lab, SECOND)
        replace(path, b"0.0.0.0/1\n")
        eventually(lambda: "line 1 would shut out 0.0.0.0/1" in edge.log(), "the fault is told")
        assert not is_answered(lab, SECOND)
        assert edge.ask("allow", SECOND).returncode == 0
        assert is_answered(lab, SECOND)
        assert edge.ask("allow", "--remove", SECOND).returncode == 0
        assert not is_answered(lab, SECOND)


def test_strangers_of_other_countries_are_dropped_and_the_database_is_replaced_while_running(lab: Lab) -> None:
    path = lab.new_folder("geo") / "country.mmdb"
    replace(path, database({"198.18.1.0/24": "FR", f"{FIRST}/32": "XX", f"{SECOND}/32": "FR"}))
    with edge_with(lab, {"countries": "[FR]", "geoip": str(path)}) as edge:
        assert not is_answered(lab, FIRST)
        assert is_answered(lab, SECOND)
        assert why(edge, FIRST)["country"] == "XX"
        assert "defence.countries" in why(edge, FIRST)["verdict"]
        path.write_bytes(b"not a database")
        eventually(lambda: "the one before stays in force" in edge.log(), "the fault is told")
        assert not is_answered(lab, FIRST)
        replace(path, database({f"{FIRST}/32": "FR"}))
        eventually(lambda: is_answered(lab, FIRST), "the first is answered")
        assert not is_answered(lab, SECOND)


def test_countries_without_a_database_are_off_and_it_is_said(lab: Lab) -> None:
    missing = lab.new_folder("geo") / "none.mmdb"
    with edge_with(lab, {"countries": "[FR]", "geoip": str(missing)}) as edge:
        assert is_answered(lab, FIRST)
        assert "defence.countries is off" in edge.log()
        eventually(lambda: "defence.countries is off" in edge.component("banner")["status"], "the status says so")
        assert str(missing) in why(edge, FIRST)["country database"]


def counted(lab: Lab, protocol: str, name: str) -> int:
    """A counter of the edge's network, as /proc/net/snmp has it."""
    names, values = [line.split() for line in in_edge(lab, "cat", "/proc/net/snmp").splitlines() if line.startswith(f"{protocol}:")]
    return int(values[names.index(name)])


def passed_of_flood(lab: Lab, client: Client, rate: int, sent: int) -> int:
    """How many of the datagrams that a stranger sends at once the kernel passes, when it is told how many a second."""
    request = client.request("OPTIONS", "1001").encoded()
    before, began = counted(lab, "Udp", "InDatagrams"), time.monotonic()
    for _ in range(sent):
        client.send(request)
    eventually(lambda: counted(lab, "Udp", "InDatagrams") - before >= 2 * rate, "twice as many as a second's at once")
    passed = counted(lab, "Udp", "InDatagrams") - before
    # Twice as many at once, and what the time has brought since; the edge's own Asterisks answer now and then.
    assert passed <= 2 * rate + rate * (time.monotonic() - began) + 20
    return passed


def test_of_a_strangers_datagrams_the_kernel_passes_as_many_a_second_as_it_is_told(lab: Lab) -> None:
    rate, sent = 100, 3000
    with edge_with(lab, {"packets": str(rate)}) as edge, lab.client(FIRST) as client:
        passed = passed_of_flood(lab, client, rate, sent)
        rules = edge.nft("list", "chain", "inet", "TABLE", "strangers")
        dropped = re.search(r"@udp4 .* counter packets (\d+)", rules)
        assert dropped and int(dropped[1]) + passed >= sent, rules


def test_of_a_strangers_new_connections_the_kernel_passes_as_many_a_second_as_it_is_told(lab: Lab) -> None:
    rate, tried = 5, 100
    with edge_with(lab, {"connections": str(rate)}), entered(lab.network.clients), contextlib.ExitStack() as held:
        before, began = counted(lab, "Tcp", "PassiveOpens"), time.monotonic()
        for _ in range(tried):
            peer = held.enter_context(socket.socket())
            peer.bind((FIRST, 0))
            peer.setblocking(False)
            peer.connect_ex((EDGE_OUTSIDE, 5060))
        eventually(lambda: counted(lab, "Tcp", "PassiveOpens") - before >= 3 * rate, "the first connections stand")
        passed = counted(lab, "Tcp", "PassiveOpens") - before
        assert passed <= 3 * rate + rate * (time.monotonic() - began) + 1


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_connection_of_a_source_that_is_banned_is_over(lab: Lab, transport: str) -> None:
    with edge_with(lab, {}) as edge, lab.client(FIRST, transport) as client:
        assert client.answer_to(client.request("OPTIONS", "1001"), seconds=2)
        standing = ["ss", "-Htn", "state", "established", "dst", FIRST]
        assert in_edge(lab, *standing)
        assert edge.ask("ban", FIRST, "--for", "1h").returncode == 0
        eventually(lambda: not in_edge(lab, *standing), "no connection of the source on the edge's side")
        assert client.answer_to(client.request("OPTIONS", "1001"), seconds=1) is None
        assert why(edge, FIRST)["verdict"] == "banned"


def test_observing_lists_bans_and_drops_nothing(lab: Lab) -> None:
    with edge_with(lab, {"mode": "observe"}) as edge:
        assert edge.ask("ban", FIRST, "--for", "1h").returncode == 0
        assert [ban["address"] for ban in edge.bans()] == [FIRST]
        assert is_answered(lab, FIRST)
        assert why(edge, FIRST)["verdict"] == "would be banned"


def test_a_table_that_somebody_removed_is_back_with_its_bans(lab: Lab) -> None:
    with edge_with(lab, {}) as edge:
        assert edge.ask("ban", FIRST, "--for", "1h").returncode == 0
        edge.nft("delete", "table", "inet", "TABLE")
        eventually(
            lambda: FIRST in in_edge(lab, "nft", "list", "ruleset"), "the ban in the kernel again", seconds=5
        )
        assert "changed by somebody else" in edge.log()


def test_a_clean_stop_takes_the_table_away_only_if_it_is_asked_to(lab: Lab) -> None:
    for wanted in ["false", "true"]:
        with edge_with(lab, {"cleanup": wanted}) as edge:
            assert edge.ask("ban", FIRST, "--for", "1h").returncode == 0
            assert edge.stop() == 0
            assert (FIRST in in_edge(lab, "nft", "list", "ruleset")) == (wanted == "false")
