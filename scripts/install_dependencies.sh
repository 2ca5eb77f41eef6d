#!/usr/bin/env bash
# Installs the Debian packages that are missing; does nothing, quickly, when none is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

packages=()
while read -r package; do
    case $package in '' | '#'*) continue ;; esac
    packages+=("$package")
done <"$here/debian-packages.txt"

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "install_dependencies.sh: this needs a Debian 12 system with apt-get; missing: ${missing[*]}" >&2
    exit 2
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -v; then
        echo "install_dependencies.sh: neither root nor sudo to install: ${missing[*]}" >&2
        echo "install_dependencies.sh: ask an administrator to run: apt-get install ${missing[*]}" >&2
        exit 2
    fi
    as_root=(sudo)
fi

echo "Installing: ${missing[*]}" >&2
# The variable goes through env, so that sudo cannot drop it.
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
