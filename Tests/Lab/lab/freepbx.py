"""FreePBX's tables and the files that it writes from them for PJSIP, as version 17 has them."""

from dataclasses import dataclass, field
from pathlib import Path

from .accounts import Account
from .pages import read_page

TABLES = """
    CREATE TABLE devices (
        id VARCHAR(20) NOT NULL DEFAULT '', tech VARCHAR(10) NOT NULL DEFAULT '', dial VARCHAR(255) NOT NULL DEFAULT '',
        devicetype VARCHAR(5) NOT NULL DEFAULT '', user VARCHAR(50), description VARCHAR(50), emergency_cid VARCHAR(100),
        hint_override VARCHAR(100), KEY id (id), KEY tech (tech));
    CREATE TABLE emergencydevices LIKE devices;
    CREATE TABLE sip (
        id VARCHAR(20) NOT NULL DEFAULT '-1', keyword VARCHAR(30) NOT NULL DEFAULT '', data VARCHAR(8100) NOT NULL,
        flags INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, keyword));
"""
EVERYBODY = "0.0.0.0/0.0.0.0"
# What every extension has beside its own, most of which says nothing to the edge.
COMMON = {
    "accountcode": "", "aggregate_mwi": "yes", "allow": "ulaw", "bundle": "no", "callerid": "device <>", "context": "phones",
    "deny": EVERYBODY, "direct_media": "no", "disallow": "all", "dtmfmode": "rfc4733", "force_callerid": "", "host": "dynamic", "icesupport": "no",
    "max_contacts": "1", "maximum_expiration": "7200", "media_encryption": "no", "minimum_expiration": "60",
    "mwi_subscription": "auto", "permit": EVERYBODY, "qualifyfreq": "0", "rewrite_contact": "no", "rtp_symmetric": "yes",
    "sendrpid": "pai", "transport": "", "trustrpid": "yes", "type": "friend",
}  # fmt: skip
FILES = ("pjsip.endpoint.conf", "pjsip.auth.conf", "pjsip.aor.conf")


def view() -> str:
    """The statement that makes the view for a login with the least rights, as docs/ACCOUNTS.md has it."""
    (statements,) = [block.text for block in read_page("ACCOUNTS.md").blocks if " VIEW asterisk.rempart_accounts " in block.text]
    return statements[: statements.index(";") + 1]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass
class Extension:
    """An extension, or what is called like one; `table` has its row, if any has."""

    name: str
    secret: str = ""
    tech: str = "pjsip"
    table: str | None = "devices"
    more: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        own = {"account": self.name, "secret": self.secret}
        driver = {"pjsip": {"sipdriver": "chan_pjsip"}, "sip": {"sipdriver": "chan_sip"}}.get(self.tech, {})
        return COMMON | own | driver | self.more

    @property
    def account(self) -> Account:
        return Account(self.name, self.secret)

    def sql(self) -> str:
        """Its rows."""
        rows = ", ".join(
            f"({_quoted(self.name)}, {_quoted(keyword)}, {_quoted(data)}, {flags})"
            for flags, (keyword, data) in enumerate(self.values.items(), start=2)
        )
        sql = f"INSERT INTO sip (id, keyword, data, flags) VALUES {rows};"
        if self.table:
            sql += (
                f"INSERT INTO {self.table} (id, tech, dial, devicetype, user, description) VALUES ({_quoted(self.name)},"
                f" '{self.tech}', '{self.tech.upper()}/{self.name}', 'fixed', {_quoted(self.name)}, 'phone');"
            )
        return sql

    def sections(self) -> dict[str, str]:
        """What FreePBX writes of it into each of its files for PJSIP."""
        values = self.values
        name, has_auth = self.name, bool(self.secret)
        if not (self.table and self.tech == "pjsip" and values["sipdriver"] == "chan_pjsip"):
            return {}
        contacts = int(values["max_contacts"] or 0)
        endpoint = ["type=endpoint", f"aors={name}", *([f"auth={name}-auth"] if has_auth else []), "allow=ulaw"]
        endpoint += ["disallow=all", "allow=ulaw", f"context={values['context']}", "dtmf_mode=rfc4733"]
        endpoint += [f"direct_media={values['direct_media']}"]
        endpoint += ["rtp_symmetric=yes", "rewrite_contact=no", "force_rport=no", "trust_id_inbound=yes"]
        password = f"password={self.secret}"
        kind = "userpass"
        if values.get("md5_cred"):
            kind, password = "md5", f"md5_cred={values['md5_cred']}"
        auth = ["type=auth", f"auth_type={kind}", password, f"username={values.get('username', name)}"]
        aor = ["type=aor", f"max_contacts={contacts if contacts > 1 else 1}", f"remove_existing={'no' if contacts > 1 else 'yes'}"]
        aor += ["maximum_expiration=7200", "minimum_expiration=60", "qualify_frequency=0"]
        return {
            "pjsip.endpoint.conf": "\n".join([f"[{name}]", *endpoint, "", ""]),
            "pjsip.auth.conf": "\n".join([f"[{name}-auth]", *auth, "", ""]) if has_auth else "",
            "pjsip.aor.conf": "\n".join([f"[{name}]", *aor, "", ""]),
        }


def write_files(folder: Path, extensions: list[Extension]) -> None:
    """The files that FreePBX writes at "Apply Config"."""
    for name in FILES:
        (folder / name).write_text("".join(extension.sections().get(name, "") for extension in extensions))


INCLUDED = {
    "http.conf": ["http_additional.conf", "http_custom.conf"],
    "manager.conf": ["manager_additional.conf", "manager_custom.conf"],
    "pjsip.conf": [
        "pjsip_custom.conf", "pjsip.transports.conf", "pjsip.transports_custom_post.conf", "pjsip.endpoint.conf",
        "pjsip.endpoint_custom_post.conf", "pjsip.aor.conf", "pjsip.aor_custom_post.conf", "pjsip.auth.conf",
        "pjsip.auth_custom_post.conf",
    ],
    "pjsip.transports.conf": ["pjsip.transports_custom.conf"],
    **{name: [f"{name.removesuffix('.conf')}_custom.conf"] for name in FILES},
    "ari.conf": ["ari_additional.conf", "ari_additional_custom.conf"],
}  # fmt: skip
GENERAL = {
    "manager.conf": "[general]\nenabled = yes\nport = 5038\nbindaddr = 127.0.0.1\ndisplayconnects=no\n",
    "ari.conf": "[general]\n#include ari_general_additional.conf\n#include ari_general_custom.conf\n",
    "http_additional.conf": "[general]\nenabled=yes\nenablestatic=no\nbindaddr=::\nbindport=8088\nprefix=\n",
    "ari_general_additional.conf": "enabled=yes\npretty=no\nwebsocket_write_timeout=100\nallowed_origins=*\n",
    "ari_additional.conf": "[freepbxuser]\ntype=user\npassword=own\npassword_format=plain\nread_only=no\n",
    "manager_additional.conf": "",
}


@dataclass
class SIPSettings:
    """What FreePBX's pages have of Asterisk's transports, as after its installation with "Detect Network Settings"."""

    binds: dict[str, str] = field(default_factory=lambda: {"0.0.0.0": "5060"})
    external: str = ""
    local_networks: list[str] = field(default_factory=list)

    def transports(self) -> str:
        lines = []
        for address, port in self.binds.items():
            lines += [f"[{address}-udp]", "type=transport", "protocol=udp", f"bind={address}:{port}"]
            if self.external:
                lines += [f"external_media_address={self.external}", f"external_signaling_address={self.external}"]
            lines += ["allow_reload=no", "tos=cs3", "cos=3", *(f"local_net={network}" for network in self.local_networks), ""]
        return "\n".join(lines)


def apply_config(folder: Path, extensions: list[Extension], settings: SIPSettings) -> None:
    """What "Apply Config" writes; custom files are made when they are not there, and never written."""
    write_files(folder, extensions)
    texts = GENERAL | {name: (folder / name).read_text() for name in FILES} | {"pjsip.transports.conf": settings.transports()}
    for name in texts.keys() | INCLUDED.keys():
        included = [f"#include {other}\n" for other in INCLUDED.get(name, [])]
        # Of PJSIP's files the custom ones go before.
        parts = [*included, texts.get(name, "")] if name.startswith("pjsip") else [texts.get(name, ""), *included]
        (folder / name).write_text("".join(parts))
        for line in (folder / name).read_text().splitlines():
            if "_custom" in line:
                (folder / line.removeprefix("#include ")).touch()
