"""Nobody can find out from the outside which accounts exist."""

import re

import pytest
from conftest import Lab, Site
from lab.accounts import Account
from lab.sip import Message

UNKNOWN = "4711"


def masked(message: Message | None, name: str, port: int) -> bytes:
    """An answer without nonces, tags, and what the client itself chose: the rest must not tell accounts apart."""
    assert message
    raw = re.sub(rb'nonce="[^"]*"', lambda found: b'nonce="%d"' % len(found[0]), message.raw)
    raw = re.sub(rb"tag=[\w.+-]+", b"tag=", raw)
    raw = re.sub(rb"branch=[\w.+-]+", b"branch=", raw)
    return raw.replace(name.encode(), b"NAME").replace(str(port).encode(), b"PORT")


def answers(lab: Lab, method: str, name: str, transport: str) -> list[bytes]:
    """The masked answers to a request without credentials, and then with a wrong password."""
    with lab.client("198.18.2.10", transport) as client:
        request = client.request(method, name, to="600" if method == "INVITE" else "", call_id="chosen")
        return [masked(answer, name, client.port) for answer in client.authenticated(request, Account(name, "wrong"))]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_an_unknown_account_and_a_wrong_password_get_the_same_bytes(site: Site, lab: Lab, method: str, transport: str) -> None:
    known, unknown = answers(lab, method, "1001", transport), answers(lab, method, UNKNOWN, transport)
    assert known == unknown
    assert site.edge.ask("unban", "all").returncode == 0


def test_a_call_to_an_unknown_account_is_challenged_like_any_other(site: Site, lab: Lab) -> None:
    """Strangers learn nothing from calling, either: the question who is called comes after the question who calls."""
    seen = []
    for target in ("1001", UNKNOWN):
        with lab.client("198.18.2.11") as client:
            answer = client.answer_to(client.request("INVITE", "nobody", to=target, call_id="chosen"))
            seen.append(masked(answer, target, client.port))
    assert seen[0] == seen[1]
