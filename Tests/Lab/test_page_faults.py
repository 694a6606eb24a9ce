"""What a page says of faults is what `rempart check --live` says when a reader has made them, and it is well when they are mended."""

import re
from collections.abc import Callable

import pytest
from conftest import PBX_OF, Lab
from lab.asterisk import PJSIP_22
from lab.follower import Follower
from lab.page_grounds import ONE, Way
from lab.pages import read_page
from lab.rempart import CHECKOUT
from test_pages import FILES, FREEPBX, REALTIME, WAYS, way

# Makes a fault, and gives back what mends it.
Fault = Callable[[Follower], Callable[[], object]]
# Before Asterisk goes inside.
BEFORE = "(?!.*Take Asterisk inside|.*Register, and call|The way back)"
HEAD = "what is said | what to do"


def settings(old: str, new: str) -> Fault:
    """Another word in the settings."""

    def make(follower: Follower) -> Callable[[], object]:
        before = follower.edge.settings.read_text()
        assert old in before
        follower.edge.write_settings(before.replace(old, new))
        return lambda: follower.edge.write_settings(before)

    return make


def file(name: str, change: Callable[[str], str], restarts: bool = False) -> Fault:
    """A file of Asterisk's with another text."""

    def make(follower: Follower) -> Callable[[], object]:
        path = follower.folder / name
        before = path.read_text()

        def write(text: str) -> None:
            path.write_text(text)
            if restarts:
                follower.restart()

        write(change(before))
        return lambda: write(before)

    return make


def sql(fault: str, remedy: str) -> Fault:
    def make(follower: Follower) -> Callable[[], object]:
        follower.administer(follower.translated(fault))
        return lambda: follower.administer(follower.translated(remedy))

    return make


def secret(follower: Follower) -> Callable[[], object]:
    path = follower.edge.folder / "accounts.secret"
    before = path.read_text()
    path.write_text("wrong\n")
    return lambda: path.write_text(before)


def data_source(old: str, new: str) -> Fault:
    def make(follower: Follower) -> Callable[[], object]:
        before = follower.data_sources.read_text()
        assert old in before
        follower.data_sources.write_text(before.replace(old, new))
        return lambda: follower.data_sources.write_text(before)

    return make


def forbidden(follower: Follower) -> Callable[[], object]:
    path = follower.folder / "pjsip.conf"
    path.chmod(0o600)
    return lambda: path.chmod(0o644)


GRANT = "SELECT ON asterisk.ps_aors {} 'rempart'@'10.0.0.1'"
FAULTS: dict[Way, dict[str, Fault]] = {
    way(FILES, PJSIP_22, "Two machines"): {
        "refuses the login": secret,
        "cannot be reached": settings(":8088", ":8099"),
        "does not tell PJSIP's objects": file("ari.conf", lambda text: text.replace("enabled = yes", "enabled = no"), restarts=True),
    },
    way(FILES, PJSIP_22, ONE): {
        "cannot be opened (Permission denied)": forbidden,
        "can be used by nobody": file("pjsip.conf", lambda text: re.sub(r"password=.*", "", text)),
    },
    way(REALTIME, PJSIP_22, "MariaDB"): {
        "Data source name not found": data_source("[asterisk]", "[another]"),
        "Can't connect to server": data_source("3306", "3307"),
        "Access denied": secret,
        "it lacks the table": sql(f"REVOKE {GRANT.format('FROM')}", f"GRANT {GRANT.format('TO')}"),
        "can be used by nobody": sql("UPDATE ps_auths SET md5_cred = password, password = ''", "UPDATE ps_auths SET password = md5_cred, md5_cred = ''"),
    },
    way(REALTIME, PJSIP_22, "PostgreSQL"): {"no pg_hba.conf entry": settings("user: rempart", "user: asterisk")},
    way(FREEPBX, PJSIP_22, "ARI"): {
        "refuses the login": secret,
        "cannot be reached": settings(":8088", ":8099"),
        "does not tell PJSIP's objects": file("ari_general_custom.conf", lambda text: f"{text}enabled=no\n", restarts=True),
    },
    way(FREEPBX, PJSIP_22, "Database"): {
        "is not allowed to connect": sql("RENAME USER 'rempart'@'10.0.0.1' TO rempart@localhost", "RENAME USER rempart@localhost TO 'rempart'@'10.0.0.1'"),
        "Access denied": secret,
        "can be used by nobody": sql("UPDATE sip SET keyword = 'kept' WHERE keyword = 'secret'", "UPDATE sip SET keyword = 'secret' WHERE keyword = 'kept'"),
    },
}
# What only phones and an edge that runs bring about: the first two in the words of its sources.
IN_SOURCES = {"send media to an inside address", '"down"'}
OTHERS = {"send media to an inside address", "down", "a phone gets 401, or nothing"}


def said(follower: Follower) -> str:
    done = follower.edge.run("check", "--live", "--settings", str(follower.edge.settings), timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("way", FAULTS, ids=str)
def test_a_fault_is_told_in_the_words_that_the_page_has(lab: Lab, way: Way) -> None:
    with WAYS[way](lab, way, PBX_OF[way.kind]) as follower:
        follower.asterisk.start()
        try:
            follower.follow(BEFORE)
            for message, make in FAULTS[way].items():
                mend = make(follower)
                assert message in said(follower), (message, said(follower))
                mend()
                assert ": good: pjsip, 2 accounts" in said(follower), (message, said(follower))
        finally:
            follower.stop()


@pytest.mark.parametrize("page", [FILES, FREEPBX, REALTIME])
def test_a_page_has_no_other_message(page: str) -> None:
    told = {row[0].split("`")[-1] for row in read_page(page).tables[HEAD]}
    assert told <= OTHERS | {message for way, faults in FAULTS.items() if way.name == page for message in faults}
    sources = "".join(path.read_text() for path in (CHECKOUT / "Sources").rglob("*.swift"))
    assert all(message in sources for message in IN_SOURCES)
