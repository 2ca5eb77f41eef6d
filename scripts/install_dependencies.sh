#!/usr/bin/env bash
# Installs the Debian packages that are missing; does nothing, quickly, when none is.
#   install_dependencies.sh          what a build and its tests need (debian-packages.txt)
#   install_dependencies.sh PKG …    these packages
# Exit codes: 0 all there, 2 they cannot be installed here (one line names them), else apt-get's.
set -euo pipefail

fail() {
    echo "install_dependencies.sh: $1" >&2
    exit 2
}

packages=("$@")
if [ $# -eq 0 ]; then
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    while read -r package _; do
        case $package in '' | '#'*) continue ;; esac
        packages+=("$package")
    done <"$here/debian-packages.txt"
fi

command -v dpkg-query >/dev/null || fail "this needs Debian 12; to be installed: ${packages[*]}"
# One call for all: a package that dpkg does not know makes it fail and is simply not in its answer.
installed=" $(dpkg-query --show --showformat='${Package}:${db:Status-Status} ' \
    "${packages[@]}" 2>/dev/null || true)"
missing=()
for package in "${packages[@]}"; do
    [[ $installed == *" $package:installed "* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || fail "no apt-get here to install: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal sudo cannot ask for a password, and must not wait for one.
    ask=()
    [ -t 0 ] || ask=(--non-interactive)
    if ! command -v sudo >/dev/null || ! sudo "${ask[@]}" true; then
        fail "neither root nor sudo; to be run as root: apt-get install ${missing[*]}"
    fi
    as_root=(sudo "${ask[@]}")
fi

# Servers among them are for the tests, which start their own: Debian would start them on this
# machine at once, unless this file says otherwise (invoke-rc.d(8)).
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi

echo "Installing ${#missing[@]} packages: ${missing[*]}" >&2
"${as_root[@]}" apt-get update --quiet
# The variable goes through env, so that sudo cannot drop it.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
