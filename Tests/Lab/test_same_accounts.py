"""Every source tells the same accounts: Asterisk itself (ARI), its files, and the tables of its Realtime.

One set of accounts stands in pjsip.conf, in wizards, in SQLite and in MariaDB, and a real Asterisk reads it there. What is
right is what that Asterisk does with a REGISTER, but for those that need no password there.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
from conftest import PBX_OF, Lab, Site
from lab import ari
from lab.account_sources import AccountSource, Servers
from lab.accounts import Account
from lab.asterisk import PJSIP_16, PJSIP_22, Kind
from lab.database_server import MariaDB
from lab.namespaces import EDGE_INSIDE
from lab.pjsip_layouts import InFiles, InServer, InSQLite, Row, ha1
from lab.rempart import Rempart
from lab.waiting import eventually

# Three times what a source takes to be read.
TOLD = 30.0
ANY, OFFICE, NOBODY = "any", "198.18.2.0/24, any IPv6", "nobody"
BOTH, HASH, NONE = ["MD5", "SHA-256"], ["MD5"], []
WITH_LIST = {"deny": "0.0.0.0/0", "permit": "198.18.2.0/24,198.19.0.1"}
# How long a REGISTER that was taken stays.
EXPIRES = 60


@dataclass(frozen=True)
class Case:
    """An account, what its phones know, and what is right of it."""

    row: Row
    # The digest user and the password.
    phone: Account
    algorithms: list[str] | None = None
    may_register: bool = True
    access: str = ANY
    # What Asterisk itself answers to that REGISTER, and Asterisk 22 where that is something else.
    asterisk: int = 200
    on_22: int | None = None
    is_for: tuple[Kind, ...] = (PJSIP_16, PJSIP_22)
    # Whether what reads Asterisk's files or its tables takes it for an account though Asterisk does not.
    is_wrong_in_files: bool = False
    # Whether what makes it none stands in files alone, which nobody looks at who is given tables.
    stands_in_files: bool = False

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def is_account(self) -> bool:
        return self.algorithms is not None

    @property
    def algorithm(self) -> str:
        """The one that its phone answers by."""
        return (self.algorithms or BOTH)[0] if self.algorithms != NONE else "MD5"

    def is_disputed(self, source: str) -> bool:
        """Whether a source, as it is, says of it what is not right."""
        return self.is_wrong_in_files and not source.startswith("ari")

    def status(self, access: str) -> int:
        """What the edge answers to its phone at 198.18.2.x, which a list permits."""
        if not self.algorithms or access == NOBODY:
            return 401
        return 200 if self.may_register else 403


def plain(name: str, algorithms: list[str] | None = BOTH, *, auth: dict | None = None, user: str = "", **more) -> Case:
    """An account with a password in clear."""
    phone = Account(user or name, f"secret of {name}")
    row = {key: more.pop(key) for key in ("endpoint", "aor", "others") if key in more}
    return Case(Row(name, {"auth_type": "userpass", "username": phone.name, "password": phone.secret, **(auth or {})}, **row), phone, algorithms, **more)


def hashed(name: str, auth: dict, algorithms: list[str] | None, **more) -> Case:
    phone = Account(name, f"secret of {name}")
    return Case(Row(name, {"username": name, **auth}), phone, algorithms, **more)


def hash_of(name: str, **more) -> str:
    return ha1(Account(name, f"secret of {name}"), **more)


OWN = "other.example"
SHA_256 = {"auth_type": "digest", "password_digest": f"SHA-256:{hash_of('2005', algorithm='sha256')}"}
ONLY_SHA_256 = {"supported_algorithms_uas": "SHA-256", "supported_algorithms_uac": "SHA-256"}
REGISTRATION = "[2018]\ntype=registration\nserver_uri=sip:192.0.2.7\nclient_uri=sip:us@192.0.2.7\n"
CASES = [
    plain("2001"),
    hashed("2002", {"auth_type": "md5", "md5_cred": hash_of("2002")}, HASH),
    plain("2003", auth={"realm": OWN}),
    # The edge's own challenge has the realm of accounts.realm, so nobody can answer for this one.
    hashed("2004", {"auth_type": "md5", "md5_cred": hash_of("2004", realm=OWN), "realm": OWN}, NONE),
    hashed("2005", {**SHA_256, **ONLY_SHA_256}, ["SHA-256"], is_for=(PJSIP_22,)),
    hashed("2006", {"auth_type": "digest", "password_digest": f"MD5:{hash_of('2006')}"}, HASH, is_for=(PJSIP_22,)),
    plain("2007", user="another"),
    # Asterisk lets anybody in.
    Case(Row("2008"), Account("2008", "any")),
    Case(Row("2009", {"auth_type": "userpass", "username": "2009"}), Account("2009", ""), on_22=500),
    plain("2010", aor={"max_contacts": 0}, may_register=False, asterisk=403),
    Case(Row("2011", is_provider=True), Account("us", "secret"), asterisk=403),
    plain("2012", endpoint=WITH_LIST, access=OFFICE),
    plain("2013", endpoint={"acl": "office"}, access=OFFICE),
    plain("2014", endpoint={"identify_by": "ip"}, algorithms=None, asterisk=401),
    plain("2015", others="[2015]\ntype=identify\nendpoint=2015\nmatch=192.0.2.9\n"),
    plain("2016", endpoint={"identify_by": "auth_username"}),
    # A provider that has an auth of its own here, and that Asterisk registers at: phones are not to use it.
    plain("2018", others=REGISTRATION, algorithms=None, stands_in_files=True),
    # By default Asterisk 22 challenges by MD5 alone, and takes no auth that cannot answer that.
    hashed("2017", SHA_256, None, asterisk=500, is_for=(PJSIP_22,), is_wrong_in_files=True),
]
TABLES = ("sqlite", "odbc")
LAYOUTS = {
    "files": ["asterisk", "ari", "ari-ami"],
    "wizards": ["asterisk", "ari", "ari-ami"],
    "sqlite": ["sqlite", "asterisk", "ari", "ari-ami"],
    "odbc": ["odbc", "asterisk", "ari", "ari-ami"],
}


class Ground:
    """An Asterisk that has the accounts in one layout."""

    def __init__(self, lab: Lab, servers: Servers, kind: Kind, layout: str) -> None:
        self.lab, self.kind, self.layout = lab, kind, layout
        self.cases = [case for case in CASES if kind in case.is_for]
        self.address = PBX_OF[kind]
        source = _Told(self._source(servers), self.address)
        self.site = Site(lab, [kind], source=source)
        self.settings = replace(self.site.settings, defence={"allow": "[198.18.0.0/16]"}, algorithms=["MD5", "SHA-256"])
        self.secret = lab.new_folder("secret") / "secret"
        ari.write_secret(self.secret)
        self.site.asterisk.start()

    def _source(self, servers: Servers) -> AccountSource:
        rows = [case.row for case in self.cases]
        if self.layout == "sqlite":
            return InSQLite(rows, self.lab.new_folder("db") / "realtime.sqlite3")
        if self.layout == "odbc":
            base = servers.source(MariaDB, "odbc", is_found_in_files=False)
            return InServer(base.server, base.driver, False, base.data_sources, rows)
        return InFiles(rows, self.layout == "wizards")

    def edge(self, source: str) -> Rempart:
        """An edge that reads the accounts there, started."""
        settings = self.settings
        if source.startswith("ari"):
            settings = replace(settings, schema=None, tables={}, login={})
            ari.point(settings, self.secret, self.address, source == "ari-ami")
        elif source == "asterisk":
            settings = replace(settings, schema=None, tables={}, login={}, source=f"asterisk://{self.site.asterisk.folder}")
        edge = self.lab.rempart(settings.text()).start()
        eventually(
            lambda: edge.ask("accounts", "2001").returncode == 0 and edge.asterisk_state(self.address) == "up",
            lambda: f"all is read:\n{edge.log()}", TOLD, every=0.3,
        )  # fmt: skip
        return edge


@dataclass(frozen=True)
class _Told(AccountSource):
    """A source whose Asterisk has both interfaces."""

    inner: AccountSource
    address: str

    def files(self, kind: Kind) -> dict[str, str]:
        return self.inner.files(kind)

    def additions(self, kind: Kind) -> dict[str, str]:
        own, more = self.inner.additions(kind), ari.additions(kind, self.address)
        return more | own | {"modules.conf": own.get("modules.conf", "") + more["modules.conf"]}

    def lay(self, asterisk, settings) -> None:
        self.inner.lay(asterisk, settings)


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Iterator[Servers]:
    servers = Servers(lab.new_folder, lab.network.edge, [])
    yield servers
    servers.stop()


@pytest.fixture(scope="module", params=[(kind, layout) for kind in (PJSIP_16, PJSIP_22) for layout in LAYOUTS], ids=lambda each: f"{each[0]}-{each[1]}")
def ground(request: pytest.FixtureRequest, lab: Lab, servers: Servers) -> Iterator[Ground]:
    ground = Ground(lab, servers, *request.param)
    try:
        yield ground
    finally:
        ground.site.stop()


def facts(edge: Rempart, name: str) -> dict:
    done = edge.ask("accounts", name, "--json")
    assert done.returncode in (0, 1), done.stderr
    row = json.loads(done.stdout)
    return {key: row[key] for key in ("isAccount", "user", "algorithms", "mayRegister", "access")}


def right(case: Case, source: str, layout: str) -> dict:
    """What a source has to say of an account; where it cannot know the rules of its list, that nobody is let in."""
    is_table = layout in TABLES
    # ARI tells of a list no more than that there is one, AMI what stands in files, and tables have no acl.conf.
    is_hidden = source == "ari" or (source == "ari-ami" and is_table) or (source == layout and "acl" in case.row.endpoint)
    access = NOBODY if is_hidden and case.access != ANY else case.access
    if not case.is_account:
        return {"isAccount": False, "algorithms": NONE, "access": ""}
    return {"isAccount": True, "user": case.phone.name, "algorithms": case.algorithms, "mayRegister": case.may_register, "access": access}


def compare(ground: Ground, source: str, is_disputed: bool) -> None:
    """What an edge with that source says of accounts, and what it answers to their phones, beside what is right."""
    cases = [case for case in ground.cases if case.is_disputed(source) == is_disputed]
    cases = [case for case in cases if source != ground.layout or not case.stands_in_files]
    if source not in LAYOUTS[ground.layout] or not cases:
        pytest.skip("the accounts are not there, or it says of none what is not right")
    edge = ground.edge(source)

    def registered(place: int, case: Case) -> list[int]:
        with ground.lab.client(f"198.18.2.{1 + place}") as client:
            request = client.request("REGISTER", case.name, extra=[f"Expires: {EXPIRES}"])

            def status(phone: Account) -> int:
                answer = client.authenticated(request, phone, case.algorithm)[1]
                # On a busy machine a look-up may be late, which is 503.
                return answer.status if answer and answer.status != 503 else 0

            return [
                eventually(lambda known=phone: status(known), lambda: f"{case.name} is looked up:\n{edge.log()}", TOLD, every=0.3)
                for phone in (Account(case.phone.name, "wrong"), case.phone)
            ]

    try:
        told = {case.name: facts(edge, case.name) for case in cases}
        wanted = {case.name: right(case, source, ground.layout) for case in cases}
        assert {name: {key: told[name][key] for key in wanted[name]} for name in told} == wanted
        with ThreadPoolExecutor(len(cases)) as pool:
            answers = dict(zip(told, pool.map(registered, range(len(cases)), cases), strict=True))
        assert answers == {case.name: [401, case.status(wanted[case.name]["access"])] for case in cases}, edge.log()
    finally:
        edge.destroy()


def test_asterisk_itself_takes_them_so(ground: Ground, lab: Lab) -> None:
    """What is right: the same REGISTERs, from the edge's own address, at the Asterisk that has read the accounts."""
    said, wanted = {}, {}
    for case in ground.cases:
        with lab.client(EDGE_INSIDE, "udp", 5060, ground.address, lab.network.edge) as client:
            request = client.request("REGISTER", case.name, extra=[f"Expires: {EXPIRES}"])
            first, second = client.authenticated(request, case.phone, case.algorithm)
            answer = second or first
            said[case.name] = answer.status if answer else 0
            wanted[case.name] = case.on_22 if case.on_22 and ground.kind == PJSIP_22 else case.asterisk
    assert said == wanted, ground.site.asterisk.log()


@pytest.mark.parametrize("source", ["sqlite", "odbc", "asterisk", "ari", "ari-ami"])
def test_a_source_tells_of_each_account_what_is_right(ground: Ground, source: str) -> None:
    compare(ground, source, is_disputed=False)


@pytest.mark.xfail(strict=True, reason="supported_algorithms_uas is read nowhere")
@pytest.mark.parametrize("source", ["sqlite", "odbc", "asterisk"])
def test_what_is_no_account_to_asterisk_is_none_to_any_source(ground: Ground, source: str) -> None:
    compare(ground, source, is_disputed=True)
