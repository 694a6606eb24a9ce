"""An Asterisk that tells its accounts by its REST interface (ARI) and its manager interface (AMI), as an administrator sets both up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .accounts import PJSIP
from .asterisk import Kind
from .rempart import Rempart, Settings

if TYPE_CHECKING:
    from conftest import Lab

USER, PASSWORD = "rempart", "password of the login"
PORT, SECURE_PORT, MANAGER_PORT = 8088, 8089, 5038


def modules(kind: Kind) -> str:
    """What Asterisk loads for it, where modules.conf has autoload=no."""
    names = "res_http_websocket res_stasis res_ari res_ari_model res_ari_asterisk res_ari_endpoints".split()
    names += ["res_pjsip_config_wizard"] if kind.schema == PJSIP else []
    names = (["res_websocket_client"] if kind.version > 20 else []) + names
    return "".join(f"load={name}.so\n" for name in names)


def additions(kind: Kind, address: str, tls: tuple[Path, Path] | None = None) -> dict[str, str]:
    """Asterisk's files of both interfaces; with a certificate and its key ARI is there by TLS too."""
    secure = f"tlsenable=yes\ntlsbindaddr={address}:{SECURE_PORT}\ntlscertfile={tls[0]}\ntlsprivatekey={tls[1]}\n" if tls else ""
    return {
        "http.conf": f"[general]\nenabled=yes\nbindaddr={address}\nbindport={PORT}\n{secure}",
        "ari.conf": f"[general]\nenabled=yes\n[{USER}]\ntype=user\nread_only=yes\npassword={PASSWORD}\n",
        "manager.conf": f"[general]\nenabled=yes\nbindaddr={address}\n[{USER}]\nsecret={PASSWORD}\nread=system\nwrite=system\n",
        "modules.conf": modules(kind),
    }


def write_secret(file: Path, secret: str = PASSWORD) -> None:
    file.write_text(f"{secret}\n")
    file.chmod(0o600)


def login(secret: Path) -> dict[str, str]:
    """What `accounts` of the settings has beside the source."""
    return {"user": USER, "secret-file": str(secret)}


def point(settings: Settings, secret: Path, address: str, has_manager: bool) -> None:
    """Has an edge ask the Asterisk at an address, and its manager interface where it has one."""
    settings.source = f"ari://{address}:{PORT}"
    settings.login = login(secret) | ({"ami": f"{address}:{MANAGER_PORT}"} if has_manager else {})


def conditions(edge: Rempart) -> str:
    return "\n".join(row["text"] for row in edge.status()["conditions"])


@contextmanager
def edge_asking(lab: "Lab", settings: Settings, source: str) -> Iterator[Rempart]:
    """An edge that has its accounts from a URL of Asterisks, started."""
    secret = lab.new_folder("secret") / "secret"
    write_secret(secret)
    own = replace(settings, schema=None, defence={"allow": "[198.18.0.0/16]"}, source=source, login=login(secret))
    edge = lab.rempart(own.text())
    try:
        yield edge.start()
    finally:
        edge.destroy()
