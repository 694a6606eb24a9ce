"""Self-made certificates for the edge."""

from pathlib import Path

from .namespaces import command


def make_certificate(folder: Path, name: str, addresses: list[str], label: str = "edge", kind: str = "ec") -> tuple[Path, Path]:
    """A self-signed certificate for a name and addresses, with a key of P-256 or of a kind such as rsa:2048; returns the paths of both."""
    certificate, key = folder / f"{label}.crt", folder / f"{label}.key"
    alternative = ",".join([f"DNS:{name}"] + [f"IP:{address}" for address in addresses])
    command(
        *("openssl", "req", "-x509", "-newkey", kind, "-nodes"),
        *(("-pkeyopt", "ec_paramgen_curve:prime256v1") if kind == "ec" else ()),
        *("-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    key.chmod(0o600)
    return certificate, key


def end_certificate(certificate: Path, key: Path) -> None:
    """Makes a self-signed certificate one that ended yesterday."""
    command("openssl", "x509", "-in", str(certificate), "-signkey", str(key), "-days", "-1", "-out", str(certificate))
