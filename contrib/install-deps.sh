#!/bin/sh
# Installs the Debian packages named as arguments that are missing, and prints them first.
# Services that come with them (lighttpd, nginx) are not started: the tests start their own.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian: install what these packages of it hold, then set NO_DEPS=1:" >&2
    echo "  $*" >&2
    exit 1
fi

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "Neither root nor sudo is here: have them installed, then set NO_DEPS=1." >&2
    exit 1
fi

# Debian's own switch (invoke-rc.d): a policy of 101 forbids to start services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

install() {
    # shellcheck disable=SC2086 # one word a package
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing </dev/null
}
install || { $as_root apt-get update -q && install; }
