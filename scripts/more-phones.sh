#!/bin/bash
# Installs the real phones that take part in `make soak` beside baresip: linphonec from Debian, and pjsua2 from PyPI
# into the cache of the lab. Tests take them where they are.
#
#   scripts/more-phones.sh
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
pjsua2=pjsua2-python==2.15.1
cache="${REMPART_CACHE:-$HOME/.cache/rempart}"

"$here/scripts/install-packages.sh" soak
[[ ! -d "$cache/pjsua2" ]] || exit 0
# Whole or not at all.
rm -rf "$cache/pjsua2.building"
/usr/bin/python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check \
    --no-deps --target "$cache/pjsua2.building" "$pjsua2"
mv "$cache/pjsua2.building" "$cache/pjsua2"
