"""Real phones beside baresip: pjsua2 and linphonec, each where `scripts/more-phones.sh` has installed it."""

import os
import shutil
import subprocess
from pathlib import Path

from .accounts import Account
from .asterisk import roots_folder
from .namespaces import EDGE_OUTSIDE
from .phones import PORTS

PJSUA = roots_folder() / "pjsua2"
PROGRAM = Path(__file__).parent / "pjsua_phone.py"

# Without [net] and a sound device it rings all the same. Of its ports it uses the one that is not 0.
LINPHONE = """
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
root_ca={certificate}
verify_server_certs=1
verify_server_cn=0
keepalive_period=0
register_only_when_network_is_up=0
default_proxy=0
ipv6_migration_done=1
use_ipv6=0

[auth_info_0]
username={name}
passwd={secret}

[proxy_0]
reg_proxy=<sip:{edge}:{port};transport={transport}>
reg_identity=<sip:{name}@{domain}>
reg_expires=3600
reg_sendregister=1
publish=0
"""


class OtherPhone:
    """A phone that is a program of its own; what it says is its log."""

    def __init__(self, namespace: str, folder: Path, command: list[str], ringing: str, environment: dict[str, str]) -> None:
        self.log = folder / "log"
        # The words by which it says that it rings.
        self.ringing = ringing
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command],
                # A pipe that stays open: linphonec ends with its input.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=folder,
                start_new_session=True,
            )

    def has_rung(self) -> bool:
        return self.ringing in self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Ends it without a word to the edge."""
        self.process.kill()
        self.process.wait()


def has_pjsua() -> bool:
    return (PJSUA / "pjsua2").is_dir()


def has_linphone() -> bool:
    return shutil.which("linphonec") is not None


def pjsua(namespace: str, folder: Path, address: str, account: Account, transport: str, domain: str, certificate: Path) -> OtherPhone:
    words = [address, account.name, account.secret, domain, EDGE_OUTSIDE, transport, str(certificate)]
    return OtherPhone(
        namespace, folder, ["/usr/bin/python3", str(PROGRAM), *words], "ringing\n", {"PYTHONPATH": str(PJSUA)}
    )


def linphone(namespace: str, folder: Path, address: str, account: Account, transport: str, domain: str, certificate: Path) -> OtherPhone:
    """It takes the address of its default route, whatever `address` says, so each needs a port of its own."""
    own = 20000 + 2 * int(account.name)
    ports = {name: own if name == transport else 0 for name in PORTS}
    (folder / "rc").write_text(
        LINPHONE.format(
            **ports, certificate=certificate, edge=EDGE_OUTSIDE, port=PORTS[transport], transport=transport,
            name=account.name, secret=account.secret, domain=domain,
        )
    )
    (folder / ".local/share/linphone").mkdir(parents=True)
    return OtherPhone(
        namespace, folder, ["linphonec", "-c", str(folder / "rc"), "-d", "0"], "incoming call", {"HOME": str(folder)}
    )
