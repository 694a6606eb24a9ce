"""The page on plain files on one machine, typed where systemd has booted: files of Asterisk's group, users that join it, the service.

Asterisk itself is not there; test_pages.py has it.
"""

import pytest
from lab.accounts import Account
from lab.installed import SETTINGS, Installed
from lab.namespaces import EDGE_OUTSIDE
from lab.page_grounds import BEFORE, FIRST, ONE, SECOND, TABLE_OF_ONE
from lab.pages import read_page, replaced, with_settings
from lab.waiting import eventually

PAGE = read_page("IN-FRONT-OF-FILES.md")
LIVE = "rempart check --live"


@pytest.fixture
def with_files(service: Installed) -> Installed:
    """A machine with Asterisk's files as Debian keeps them, on which Rempart is installed and was never started."""
    name, head, phone = BEFORE["pjsip"]
    text = head + "".join(phone.format(name=each.name, secret=each.secret) for each in (FIRST, SECOND))
    service.systemctl("stop", "rempart")
    service.machine.write(f"/etc/asterisk/{name}", text)
    service.machine.shell(
        "chown -R root:asterisk /etc/asterisk; chmod 0750 /etc/asterisk; chmod 0640 /etc/asterisk/*;"
        f"rm -rf {SETTINGS} /etc/asterisk.before;"
        "for u in rempart-db rempart-acct; do gpasswd --delete $u asterisk; done 2>/dev/null || true"
    )
    return service


def test_what_the_page_has_typed_is_all_that_the_service_needs(with_files: Installed) -> None:
    service, machine = with_files, with_files.machine
    words = {two: one for _, two, one in PAGE.tables[TABLE_OF_ONE]}
    lab = {"sip.example.com": service.domain, "203.0.113.5": EDGE_OUTSIDE}
    settings, shown = "", ""
    for block in PAGE.blocks:
        if not block.heading.startswith(("In front", "1.", "2.")):
            continue
        for place, text in block.parts(PAGE.choices - {"PJSIP", ONE}):
            text = replaced(replaced(text, words), lab)
            if block.language == "yaml":
                assert place == SETTINGS
                settings = with_settings(settings, text)
                machine.write(SETTINGS, settings)
            elif not block.language:
                shown = machine.shell(text)
    assert "good: pjsip, 2 accounts, read by accounts-reader" in shown
    machine.shell("systemctl enable --now rempart")
    eventually(lambda: service.register(FIRST.name) == 200, service.story, 30)
    with service.client("198.18.2.32") as stranger:
        assert stranger.register(Account(FIRST.name, "wrong")) == 401
