"""Nobody finds out by bytes or by time which accounts there are, and how they stand: ten thousand tries of each class.

The core's own tests (`Tests/Unit/ProxyTests/OracleTests.swift`) hold the same on a simulated clock, to the millisecond
and for every method and class; here the real daemon answers over a real socket. In an ordinary run the ten thousand
tries of a class are spread over the methods; with REMPART_ATTACK set (`make attack`) each method gets as many.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import PBX_OF, Lab
from lab.accounts import CHAN_SIP, PJSIP, Account
from lab.asterisk import CHAN_SIP_16
from lab.oracle import Asker, Standing, Trial, compare
from lab.rempart import Rempart

TRIES = 10_000
CHALLENGED = ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER"]
METHODS = [*CHALLENGED, "BYE", "NOTIFY", "INFO", "UPDATE", "PRACK"]
UNKNOWN = Standing("unknown", "4711", "wrong")
CLASSES = [
    UNKNOWN,
    Standing("known", "1001", "wrong"),
    Standing("barred", "2001", "wrong"),
    Standing("denied", "2002", "right"),
    Standing("no secret", "2003", ""),
    # From and username are two names: one is known, or both, or none.
    Standing("known by unknown", "1001", "wrong", user="4711"),
    Standing("unknown by known", "4711", "wrong", user="1001"),
    Standing("known by known", "1001", "wrong", user="1002"),
    Standing("known by its like", "1001", "wrong", user="T710"),
    Standing("unknown by unknown", "4711", "wrong", user="4712"),
]
# Rounds a second while answers wait: a request of each class.
ROUNDS_A_SECOND = 150
ROWS = {
    CHAN_SIP: """
        INSERT INTO sippeers (name, type, host, secret, deny) VALUES
            ('2001', 'user', 'dynamic', 'right', NULL), ('2002', 'friend', 'dynamic', 'right', '198.18.1.0/255.255.255.0'),
            ('2003', 'friend', 'dynamic', '', NULL), ('T710', 'friend', 'dynamic', 'right', NULL);
    """,
    PJSIP: """
        INSERT INTO ps_endpoints (id, aors, auth, deny) VALUES
            ('2001', '2001', '2001', NULL), ('2002', '2002', '2002', '198.18.1.0/255.255.255.0'), ('2003', '2003', '2003', NULL), ('T710', '1001', 'T710', NULL);
        INSERT INTO ps_auths (id, auth_type, username, password) VALUES
            ('2001', 'userpass', '2001', 'right'), ('2002', 'userpass', '2002', 'right'), ('2003', 'userpass', '2003', ''),
            ('T710', 'userpass', 'T710', 'right');
        INSERT INTO ps_aors (id, max_contacts) VALUES ('2001', 0), ('2002', 1), ('2003', 1);
    """,
}


def add_rows(lab: Lab, schema: str):
    path = lab.database(schema)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(ROWS[schema])
    return path


@pytest.fixture(scope="module", params=[CHAN_SIP, PJSIP])
def edge(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Rempart]:
    """An edge without an Asterisk, for which the askers' network is one that is never banned nor limited."""
    settings = lab.settings(add_rows(lab, request.param), request.param, [PBX_OF[CHAN_SIP_16]])
    settings.defence = {"allow": "[198.18.1.0/24]"}
    edge = lab.rempart(settings.text())
    edge.start()
    yield edge
    edge.destroy()


@pytest.fixture
def asker(edge: Rempart, lab: Lab) -> Iterator[Asker]:
    asker = Asker(lab.network, "198.18.1.20", lab.domain)
    yield asker
    asker.close()


def judge(trial: Trial, methods: list[str], rounds: int) -> None:
    """The same bytes for all classes, and times that cannot be told apart."""
    for method in methods:
        forms = {form for sample in trial.samples.values() for form in sample.forms[method]}
        assert len(forms) == 1, f"{method}: {forms}"
    assert trial.unanswered <= rounds // 100
    results = [compare(who.kind, trial.samples[who.kind], trial.samples[UNKNOWN.kind]) for who in CLASSES[1:]]
    for result in results:
        print(f"beside unknown, {result}")
    assert all(result.is_same for result in results), "\n".join(map(str, results))


def plans(methods: list[str]) -> list[tuple[list[str], int]]:
    if os.environ.get("REMPART_ATTACK"):
        return [([method], TRIES) for method in methods]
    return [(methods, TRIES)]


@pytest.mark.parametrize(("methods", "rounds"), plans(METHODS), ids=lambda value: value[0] if isinstance(value, list) else "")
def test_without_a_password_every_account_is_answered_alike(asker: Asker, methods: list[str], rounds: int) -> None:
    trial = Trial(asker, CLASSES)
    trial.run(methods, rounds, wrong=False, spacing=0)
    judge(trial, methods, rounds)


@pytest.mark.parametrize(("methods", "rounds"), plans(CHALLENGED), ids=lambda value: value[0] if isinstance(value, list) else "")
def test_wrong_credentials_are_answered_alike_whatever_is_wrong_with_them(asker: Asker, methods: list[str], rounds: int) -> None:
    trial = Trial(asker, CLASSES)
    trial.run(methods, rounds, wrong=True, spacing=1 / ROUNDS_A_SECOND)
    judge(trial, methods, rounds)
    # Nothing but the password was wrong: else another answer would be compared.
    starts = {form.split(b"\r\n")[0] for forms in trial.samples[UNKNOWN.kind].forms.values() for form in forms}
    assert starts <= {b"SIP/2.0 401 Unauthorized", b"SIP/2.0 407 Proxy Authentication Required"}, starts


def test_the_account_that_is_denied_here_registers_from_elsewhere(edge: Rempart, lab: Lab) -> None:
    """Its row denies the askers' network and nobody else; the same password is right in one place and wrong in the other."""
    denied = Account("2002", "right")
    with lab.client("198.18.2.20") as elsewhere, lab.client("198.18.1.21") as here:
        assert elsewhere.register(denied) == 200
        assert here.register(denied) == 401
