"""Wrong settings are explained where they are wrong, and never disturb an edge that is running."""

import pytest
from conftest import Lab, Site
from lab.accounts import CHAN_SIP
from lab.rempart import Rempart
from lab.waiting import eventually


@pytest.fixture
def idle(lab: Lab) -> Rempart:
    """An edge with right settings that is not started."""
    settings = lab.settings(lab.database(CHAN_SIP), CHAN_SIP, ["198.19.0.10"])
    return lab.rempart(settings.text())


def test_right_settings_pass_the_check(idle: Rempart) -> None:
    done = idle.check()
    assert done.returncode == 0, done.stderr + done.stdout


# What is wrong, the text before and after, and what the complaint must say.
FAULTS = {
    "unknown-key": ("domains:", "domain:", "did you mean 'domains'"),
    "unknown-key-deep": ("  servers:", "  server:", "did you mean 'servers'"),
    "wrong-type": ("domains: [example.test, 198.18.255.1]", "domains: {a: b}", "domains"),
    "bad-port": ("udp://198.18.255.1:5060", "udp://198.18.255.1:99999", "99999"),
    "bad-scheme": ("tcp://198.18.255.1", "tcq://198.18.255.1", "tcq"),
    "not-yaml": ("outside:", "outside: [", ""),
}


def position_of(text: str, part: str) -> str:
    """`line:column` of a part of the text, counted from one."""
    before = text[: text.index(part)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_shown_with_line_column_and_caret(idle: Rempart, fault: str) -> None:
    right, wrong, complaint = FAULTS[fault]
    text = idle.settings.read_text()
    assert right in text
    idle.write_settings(text.replace(right, wrong, 1))
    done = idle.check()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "^" in said and f"{idle.settings.name}:" in said, said
    assert complaint.replace("'", "") in said.replace("'", "").replace("`", "").replace('"', ""), said
    if fault.startswith("unknown-key"):
        assert position_of(idle.settings.read_text(), wrong.strip()) in said, said


def test_every_fault_is_shown_at_once(idle: Rempart) -> None:
    text = idle.settings.read_text().replace("domains:", "domain:").replace("  servers:", "  server:")
    idle.write_settings(text)
    done = idle.check()
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "domains" in said and "servers" in said, said


def test_a_duplicate_key_is_a_fault(idle: Rempart) -> None:
    idle.write_settings(idle.settings.read_text() + "domains: [other.test]\n")
    assert idle.check().returncode == 1


def test_a_settings_file_that_is_missing_is_named(idle: Rempart) -> None:
    idle.settings.unlink()
    done = idle.check()
    assert done.returncode != 0 and str(idle.settings) in done.stdout + done.stderr


def test_a_reload_with_wrong_settings_keeps_the_old_ones(site: Site, lab: Lab) -> None:
    right = site.edge.settings.read_text()
    children = {component["name"]: component["pid"] for component in site.edge.status()["components"]}
    site.edge.write_settings(right.replace("domains:", "domain:"))
    try:
        done = site.edge.ask("reload")
        assert done.returncode != 0
        eventually(lambda: "domain" in site.edge.log() + done.stdout + done.stderr, "the fault is said")
        assert site.edge.status()["state"] == "ready"
        assert {component["name"]: component["pid"] for component in site.edge.status()["components"]} == children
        with lab.client("198.18.2.34") as client:
            assert client.register(lab.accounts["1001"]) == 200
    finally:
        site.edge.write_settings(right)


def test_a_reload_with_right_settings_takes_them_on(site: Site, lab: Lab) -> None:
    right = site.edge.settings.read_text()
    site.edge.write_settings(right.replace("domains: [", "domains: [added.test, "))
    try:
        done = site.edge.ask("reload")
        assert done.returncode == 0, done.stderr + done.stdout

        def registers_in_new_domain() -> bool:
            with lab.client("198.18.2.35") as client:
                client.domain = "added.test"
                request = client.request("REGISTER", "1001", extra=["Expires: 600"])
                first = client.answer_to(request, seconds=1)
                return first is not None and first.status == 401

        eventually(registers_in_new_domain, "the new domain is served")
    finally:
        site.edge.write_settings(right)
        site.edge.ask("reload")


def test_the_settings_are_documented_by_the_program(idle: Rempart) -> None:
    done = idle.run("settings")
    assert done.returncode == 0
    for key in ("domains", "outside", "inside", "servers", "source", "certificate", "failures", "realm"):
        assert key in done.stdout
