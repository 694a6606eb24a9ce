"""An authority that signs servers' certificates, and what the edge's namespace trusts: nothing of this machine is changed."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from .namespaces import command


class Authority:
    """Its certificate and key, in a folder of the test's."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        command(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"),
            *("-subj", f"/CN={name}", "-keyout", str(self.key), "-out", str(self.certificate)),
        )

    def sign(self, label: str, names: list[str], days: int = 30) -> tuple[Path, Path]:
        """A certificate for names as `DNS:x` and `IP:x`, and its key; with negative days it has expired."""
        certificate, key, wish = (self.folder / f"{label}.{end}" for end in ("crt", "key", "csr"))
        extensions = self.folder / f"{label}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        command(
            *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={label}"),
            *("-keyout", str(key), "-out", str(wish)),
        )
        command(
            *("openssl", "x509", "-req", "-in", str(wish), "-CA", str(self.certificate), "-CAkey", str(self.key), "-CAcreateserial"),
            *("-days", str(days), "-extfile", str(extensions), "-out", str(certificate)),
        )
        return certificate, key


class Trust:
    """What the edge's namespace trusts, and hosts that it knows by name: ip(8) lays what is in /etc/netns over /etc."""

    def __init__(self, namespace: str, hosts: Mapping[str, str]) -> None:
        self.folder = Path("/etc/netns") / namespace
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree("/etc/ssl", self.folder / "ssl", symlinks=True, ignore=shutil.ignore_patterns("private"))
        lines = [f"{address} {host}" for host, address in hosts.items()]
        (self.folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))

    def add(self, authority: Authority) -> None:
        """Has it trust an authority, as update-ca-certificates would."""
        bundle = self.folder / "ssl/certs/ca-certificates.crt"
        text, more = bundle.read_text(), authority.certificate.read_text()
        if more not in text:
            bundle.write_text(text + more)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
