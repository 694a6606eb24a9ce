#!/bin/bash
# Removes what scripts/install.sh has installed. Settings, state and users stay, and the last lines say where.
#
#   DESTDIR=FOLDER scripts/uninstall.sh      nothing outside DESTDIR is touched
set -euo pipefail
cd "$(dirname "$0")/.."

root="${DESTDIR:-}"
users="$(awk '$1 == "u" { printf "%s%s", separator, $2; separator = " " }' systemd/sysusers.d/rempart.conf)"

units=()
for unit in systemd/*.service systemd/*.socket; do units+=("${unit##*/}"); done

if [[ -z "$root" && -d /run/systemd/system ]]; then
    # The socket first: it would start the daemon again.
    systemctl -q disable --now rempart.socket rempart.service 2>/dev/null || true
fi
rm -f "${units[@]/#/$root/usr/lib/systemd/system/}" "$root/usr/sbin/rempart" "$root/usr/lib/tmpfiles.d/rempart.conf"
rm -f "$root/usr/lib/sysusers.d/rempart.conf" "$root/usr/lib/systemd/catalog/rempart.catalog"
rm -rf "$root/usr/libexec/rempart" "$root/usr/share/doc/rempart"
rm -f "$root"/usr/share/man/man{8/rempart.8,5/rempart.yaml.5,7/rempart-reasons.7}.gz
rm -f "$root/usr/share/bash-completion/completions/rempart" "$root/usr/share/zsh/vendor-completions/_rempart"
rm -f "$root/usr/share/fish/vendor_completions.d/rempart.fish"
rmdir --ignore-fail-on-non-empty "$root/etc/rempart" 2>/dev/null || true
if [[ -n "$root" ]]; then exit 0; fi

if [[ -d /run/systemd/system ]]; then
    systemctl daemon-reload
    systemctl -q reset-failed 'rempart*' 2>/dev/null || true
fi
journalctl --update-catalog
# The bans outlive the daemon in the kernel, where nobody would lift them any more.
if ! command -v nft >/dev/null; then
    echo "uninstall: there is no nft (package nftables): the bans in the kernel's table \`inet rempart\` end with the next boot"
elif nft list table inet rempart >/dev/null 2>&1; then
    nft delete table inet rempart
fi
cat <<END
Removed. Kept, to be removed by hand if nobody needs it:
  settings            rm -r /etc/rempart
  bindings and bans   rm -r /var/lib/rempart
  users               for user in $users; do userdel \$user; done
  your own additions  /etc/systemd/system/rempart*, /etc/sysusers.d/rempart*, /etc/letsencrypt/renewal-hooks/deploy/rempart
END
