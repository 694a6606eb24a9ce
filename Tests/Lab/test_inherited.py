"""Who connects after a process was ended gets nothing of what was meant for a connection of before."""

import contextlib
import select
from collections.abc import Callable, Iterator

import pytest
from conftest import ACCOUNTS, Lab, Site
from lab.clients import Client
from lab.dialogs import invitation, refusal_acknowledged
from lab.waiting import eventually

CALLED, CALLER = ACCOUNTS["1003"], ACCOUNTS["1004"]
HOME, CALLERS, ELSEWHERE = "198.18.1.36", "198.18.1.37", "198.18.2.36"
STRANGERS = 20
# Longer than Asterisk rings.
OUTCOME_SECONDS = 40


@pytest.fixture(autouse=True)
def nobody_banned(any_site: Site) -> Iterator[None]:
    yield
    any_site.edge.ask("unban", "all")
    any_site.wait_idle()


def daemon_started_anew(site: Site) -> None:
    assert site.edge.stop() == 0
    site.edge.start()


ENDED: dict[str, Callable[[Site], None]] = {
    "sip-router": lambda site: site.edge.kill_component("sip-router"),
    "tls-terminator": lambda site: site.edge.kill_component("tls-terminator"),
    "rempart": daemon_started_anew,
}


def strangers(lab: Lab, held: contextlib.ExitStack, address: str, transport: str) -> list[Client]:
    """Connections that say nothing, as many as one address may have."""
    return [held.enter_context(lab.client(address, transport)) for _ in range(STRANGERS)]


def heard(client: Client) -> bytes:
    """What was said on a connection so far."""
    said = b""
    with contextlib.suppress(OSError):
        while getattr(client.socket, "pending", lambda: 0)() or select.select([client.socket], [], [], 0)[0]:
            client.socket.settimeout(0.1)
            read = client.socket.recv(65536)
            if not read:
                break
            said += read
    return said


def rings_or_ends(site: Site, caller: Client, phone: Client) -> int:
    """Calls the account, and returns what comes of it at last; what the phone is asked it answers with 486."""
    invite = invitation(caller, CALLER, CALLED.name)
    caller.send(invite.encoded())

    def outcome() -> int:
        message = phone.receive(0.05)
        if message and not message.status and message.method == "INVITE":
            phone.send(busy(message.raw))
        answer = caller.receive(0.05)
        if answer and answer.status >= 200 and answer.header("call-id") == invite.call_id:
            caller.send(refusal_acknowledged(invite, answer).encoded())
            return answer.status
        return 0

    return eventually(outcome, "an end of the call", OUTCOME_SECONDS)


def busy(invite: bytes) -> bytes:
    """486 to an INVITE."""
    names = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
    lines = [line for line in invite.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:] if line.lower().startswith(names)]
    lines = [line + b";tag=busy" if line.lower().startswith(b"to:") else line for line in lines]
    return b"\r\n".join([b"SIP/2.0 486 Busy Here", *lines, b"Content-Length: 0", b"", b""])


@pytest.mark.parametrize(
    ("transport", "ended"),
    [("tcp", "sip-router"), ("tcp", "rempart"), ("tls", "sip-router"), ("tls", "tls-terminator"), ("tls", "rempart")],
)
def test_a_stranger_inherits_no_phones_connection(any_site: Site, lab: Lab, transport: str, ended: str) -> None:
    with contextlib.ExitStack() as held:
        phone = held.enter_context(lab.client(HOME, transport))
        caller = held.enter_context(lab.client(CALLERS))
        assert phone.register(CALLED) == 200
        eventually(lambda: any_site.asterisk.registered(CALLED.name), "Asterisk knows the called account")
        ENDED[ended](any_site)
        silent = strangers(lab, held, ELSEWHERE, transport) + strangers(lab, held, HOME, transport)
        eventually(lambda: any_site.edge.asterisk_state(any_site.asterisk.address) == "up", "its Asterisk answers", 20)
        rings_or_ends(any_site, caller, phone)
        assert [said for said in map(heard, silent) if said] == []
