"""Debian packages of the built binaries: the one that is handed out, and its successor."""

import os
from pathlib import Path

from .rempart import CHECKOUT, binaries_folder
from .namespaces import command


def make_package(folder: Path) -> Path:
    """The package as `make deb` makes it, of the binaries under test, in an empty folder."""
    environment = {**os.environ, "REMPART_BIN": str(binaries_folder().resolve()), "REMPART_PACKAGES": str(folder)}
    # dpkg-deb's own: to press it as small as can be takes a minute.
    environment |= {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
    command(str(CHECKOUT / "scripts/package.sh"), "deb", env=environment)
    (package,) = folder.glob("*.deb")
    return package


def successor(package: Path, version: str) -> Path:
    """The same programs as a package of a higher version: what dpkg does with it is what it does with any other."""
    tree = package.with_name(version)
    command("dpkg-deb", "--raw-extract", str(package), str(tree))
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("".join(f"Version: {version}\n" if line.startswith("Version:") else f"{line}\n" for line in lines))
    made = package.with_name(f"rempart_{version}_all.deb")
    command("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made))
    return made
