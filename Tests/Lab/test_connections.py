"""Connections on which nobody says who he is are few for each source, and short; a phone's are not."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
from conftest import Lab, Site
from lab.clients import Client
from lab.namespaces import EDGE_OUTSIDE, entered
from lab.phones import PORTS
from lab.rempart import resident_mib
from lab.waiting import eventually

CROWDED, QUIET, OFFICE, DEAF = "198.18.2.31", "198.18.2.32", "198.18.2.33", "198.18.2.34"
ALLOWED = 20


@pytest.fixture(autouse=True)
def nobody_banned(site: Site) -> Iterator[None]:
    yield
    site.edge.ask("unban", "all")


def opened(lab: Lab, address: str) -> socket.socket:
    with entered(lab.network.clients):
        connection = socket.socket()
        connection.bind((address, 0))
    # Beyond the kernel's own limit a second it takes another try, which the kernel makes by itself.
    connection.settimeout(10)
    connection.connect((EDGE_OUTSIDE, PORTS["tcp"]))
    return connection


def is_ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def options(client: Client) -> bytes:
    return client.request("OPTIONS", "1003", uri=f"sip:{client.domain}").encoded()


def test_a_source_has_twenty_connections_before_it_has_said_who_it_is(site: Site, lab: Lab) -> None:
    def crowd() -> bool:
        """In its first ten seconds sip-router lets everybody in."""
        with contextlib.ExitStack() as held:
            connections = [held.enter_context(opened(lab, CROWDED)) for _ in range(ALLOWED + 1)]
            try:
                eventually(lambda: is_ended(connections[-1]), "the last one is ended", 0.5, every=0.02)
            except AssertionError:
                return False
            assert not any(is_ended(each) for each in connections[:-1])
            # A neighbour is not affected.
            with lab.client(QUIET, "tcp") as other:
                other.send(options(other))
                assert other.receive()
            return True

    eventually(crowd, "one connection more than is allowed is ended at once", 40, every=0.5)


def test_a_connection_ends_that_has_asked_but_not_authenticated_and_a_phones_stays(site: Site, lab: Lab) -> None:
    with (
        lab.client(OFFICE, "tcp") as phone,
        lab.client(OFFICE, "tls") as tls_phone,
        lab.client(QUIET, "tcp") as stranger,
        lab.client(QUIET, "tls") as secret,
    ):
        for client, name in ((phone, "1003"), (tls_phone, "1004")):
            assert client.register(lab.accounts[name]) == 200
            # Half a ping is the keep-alive of some phones: no message that never comes to its end.
            client.send(b"\r\n")
        for client in (stranger, secret):
            client.send(options(client))
            answer = client.receive()
            assert answer
            assert answer.status == 200
        # Nothing but keep-alives, which do not count for them.
        stranger.send(b"\r\n\r\n")
        assert stranger.closed(25)
        assert secret.closed(25)
        for client in (phone, tls_phone):
            client.send(options(client))
            answer = client.receive()
            assert answer
            assert answer.status == 200


def ask_without_reading(client: Client, meanwhile: Callable[[], None]) -> int:
    """Asks for long answers until the connection is ended; how many bytes of answers it has asked for by then."""
    asked = 0
    while asked < 64 << 20:
        request = client.request("OPTIONS", "1003", uri=f"sip:{client.domain}")
        # An answer repeats the Via.
        request.via += f";pad={'x' * 4000}"
        try:
            client.send(request.encoded())
        except (OSError, ssl.SSLError):
            return asked
        asked += 4000
        if asked % 400_000 == 0:
            meanwhile()
    pytest.fail("a phone that reads nothing is never ended")


def test_a_tls_phone_that_does_not_read_is_ended_and_costs_neither_memory_nor_others(site: Site, lab: Lab) -> None:
    with lab.client(OFFICE, "tls") as secret, lab.client(OFFICE, "tcp") as open_phone:
        assert secret.register(lab.accounts["1004"]) == 200
        assert open_phone.register(lab.accounts["1005"]) == 200

        def others_are_served() -> None:
            for phone in (secret, open_phone):
                answer = phone.answer_to(phone.request("OPTIONS", "1004", uri=f"sip:{phone.domain}"))
                assert answer
                assert answer.status == 200

        def fall_silent() -> int:
            with lab.client(DEAF, "tls") as deaf:
                assert deaf.register(lab.accounts["1003"]) == 200
                return ask_without_reading(deaf, others_are_served)

        pids = [site.edge.component(name)["pid"] for name in ("tls-terminator", "sip-router")]
        # The first one brings what any traffic needs for good.
        fall_silent()
        before = [resident_mib(pid) for pid in pids]
        asked = sum(fall_silent() for _ in range(8))
        grown = [resident_mib(pid) - had for pid, had in zip(pids, before, strict=True)]
        assert max(grown) < 4 < asked / (1 << 20), f"{grown} MiB for answers of {asked} bytes"
        assert site.edge.bans() == []
        others_are_served()
    assert pids == [site.edge.component(name)["pid"] for name in ("tls-terminator", "sip-router")]
