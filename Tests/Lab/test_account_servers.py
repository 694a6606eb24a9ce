"""Accounts in MariaDB and PostgreSQL, through Debian's own ODBC drivers: what phones meet, what is told, and what stays secret."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.account_ground import PASSWORD, AccountGround
from lab.accounts import Account
from lab.clients import Client, proven
from lab.database_server import MariaDB, PostgreSQL

LONG = Account("1040", "x" * 4000)
# The digest is over the bytes of each.
SECRETS = {
    "quotes": "it's \"quoted\" `so`",
    "colons": "a:b::c:",
    "semicolons": "a;b;",
    "blanks": "  a b ",
    "backslash": "a\\b\\'",
    "per cent": "100%s%d",
    "letters": "Zoë-пароль-密码-🔑",
    "braces": "{a}?!@#=",
}
ODD_NAMES = {
    "nul": b"10\0001",
    "escaped nul": b"10%0001",
    "long": b"1" * 4000,
    "no utf-8": b"10\xff\xfe01",
    "line end": b"1001%0d%0aX: y",
    "quote": b"1001' OR '1'='1",
    "wild card": b"%",
    "blank": b"1001%20",
    "other letters": "１００１".encode(),
}


@pytest.fixture(scope="module", params=[MariaDB, PostgreSQL], ids=lambda kind: kind.name)
def ground(lab: Lab, request: pytest.FixtureRequest) -> Iterator[AccountGround]:
    server = request.param(lab.new_folder("server"))
    ground = None
    try:
        ground = AccountGround(lab, server, [LONG, Account("anna", "small")])
        ground.edge.start()
        yield ground
    finally:
        if ground:
            ground.end()
        server.kill()


@pytest.fixture(autouse=True)
def as_it_was(ground: AccountGround) -> Iterator[None]:
    ground.is_well()
    yield


def quoted(ground: AccountGround, text: str) -> str:
    """A text as it stands in a statement."""
    text = text.replace("'", "''")
    return "'" + (text.replace("\\", "\\\\") if isinstance(ground.server, MariaDB) else text) + "'"


def set_secret(ground: AccountGround, account: Account, secret: str) -> Account:
    place = ("sippeers", "secret", "name") if isinstance(ground.server, MariaDB) else ("ps_auths", "password", "id")
    ground.server.execute(f"UPDATE {place[0]} SET {place[1]} = {quoted(ground, secret)} WHERE {place[2]} = '{account.name}'")
    return Account(account.name, secret)


def test_a_phone_registers_with_its_password_and_with_no_other(ground: AccountGround) -> None:
    account = ground.lab.accounts["1001"]
    assert ground.settled(account) == 200
    assert ground.settled(Account(account.name, "wrong")) == 401
    assert ground.settled(Account("nobody", "wrong")) == 401


def test_a_password_of_4000_characters_is_read_whole(ground: AccountGround) -> None:
    assert ground.settled(LONG) == 200
    assert ground.settled(Account(LONG.name, LONG.secret[:-1])) == 401


@pytest.mark.parametrize("secret", SECRETS.values(), ids=list(SECRETS))
def test_a_password_is_the_bytes_that_it_is(ground: AccountGround, secret: str) -> None:
    account = set_secret(ground, ground.fresh(), secret)
    assert ground.settled(account) == 200
    assert ground.settled(Account(account.name, secret.strip() + ".")) == 401


def test_an_empty_password_lets_nobody_in(ground: AccountGround) -> None:
    assert ground.settled(set_secret(ground, ground.fresh(), "")) == 401


def test_a_name_in_other_letters_is_another_name_whatever_the_database_thinks(ground: AccountGround) -> None:
    assert ground.settled(Account("anna", "small")) == 200
    assert ground.settled(Account("Anna", "small")) == 401
    assert ground.settled(Account("ánna", "small")) == 401


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=list(ODD_NAMES))
def test_a_name_that_is_none_is_refused_and_stops_nobody(ground: AccountGround, name: bytes) -> None:
    reader = ground.edge.component("accounts-reader")["pid"]
    before = ground.processes()
    with ground.lab.client("198.18.1.38", "tcp") as client:
        assert ground_answer(client, name) in (400, 401, 403, 404, 0)
    assert ground.settled(ground.fresh()) == 200
    assert ground.processes() == before and ground.edge.component("accounts-reader")["pid"] == reader


def ground_answer(client: Client, name: bytes) -> int:
    """The answer to the credentials of a phone with such a name and the password of 1001; 0 when there is none."""
    shown = name.decode(errors="replace")

    def written(text: bytes) -> bytes:
        return text.replace(shown.encode(), name).replace(b"A-NAME", name)

    request = client.request("REGISTER", "A-NAME", extra=["Expires: 600"])
    client.send(written(request.encoded()))
    challenge = client.receive_final(2)
    if challenge is None or challenge.status != 401:
        return challenge.status if challenge else 0
    client.send(written(proven(request, challenge, Account(shown, "secret-of-1001")).encoded()))
    answer = client.receive_final(2)
    return answer.status if answer else 0


def test_a_new_password_is_good_at_once(ground: AccountGround) -> None:
    account = ground.lab.accounts["1002"]
    assert ground.settled(account) == 200
    ground.server.change(account, "changed")
    ground.in_the_end(Account(account.name, "changed"), seconds=10)


def test_what_the_reader_can_read_is_told_with_the_dsn(ground: AccountGround) -> None:
    said = ground.live(ground.text())
    assert f"odbc://asterisk: good: {ground.server.schema}, " in said, said


def test_a_login_of_the_dsn_serves_where_the_settings_have_none(ground: AccountGround) -> None:
    said = ground.live(ground.settings.text().replace("sqlite:///\n", "odbc://own-login\n"))
    assert "odbc://own-login: good: " in said, said


def test_what_is_wrong_is_told_with_what_to_do(ground: AccountGround) -> None:
    assert "/etc/odbc.ini" in ground.live(ground.text("not-there"))
    assert "answers" in ground.live(ground.text("nowhere"))
    # PostgreSQL's driver does not tell a refused login from a server that is not there.
    said = ground.live(ground.text(user="somebody"))
    assert "accounts.user" in said or "takes the login" in said, said
    ground.write_secret(PASSWORD, 0o644)
    try:
        assert "chmod 600" in ground.live(ground.text())
    finally:
        ground.write_secret(PASSWORD)


def test_the_password_is_in_no_command_line_environment_or_record(ground: AccountGround) -> None:
    for pid in ground.edge.pids():
        for name in ("cmdline", "environ"):
            assert PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert PASSWORD not in ground.edge.log()


def test_whoever_holds_the_password_leaves_no_core_and_shows_its_memory_to_nobody(ground: AccountGround) -> None:
    reader = ground.edge.component("accounts-reader")["pid"]
    limits = Path(f"/proc/{reader}/limits").read_text().splitlines()
    assert next(line.split()[4:6] for line in limits if line.startswith("Max core file size")) == ["0", "0"]
    # A process that is not dumpable has root's files in /proc, and its own user may not read them.
    memory = Path(f"/proc/{reader}/mem").stat()
    assert memory.st_uid == 0
    user = int(next(line.split()[1] for line in Path(f"/proc/{reader}/status").read_text().splitlines() if line.startswith("Uid:")))
    assert user != 0
    assert not may_trace(user, reader)


def may_trace(user: int, pid: int) -> bool:
    """Whether a process of a user may read another one's memory."""
    child = os.fork()
    if child == 0:
        status = 2
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            status = 1
            with open(f"/proc/{pid}/mem", "rb"):
                status = 0
        os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, 1)
    return ended == 0

