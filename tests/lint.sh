#!/bin/sh
# What a machine can see of the house's rules. `make lint` calls it after building without warnings.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

fail() {
    printf 'lint: %s\n' "$1" >&2
    failed=1
}

# refuse WHAT PATTERN FILE…: no file may hold the pattern.
refuse() {
    what=$1 pattern=$2
    shift 2
    [ "$#" -gt 0 ] || return 0
    found=$(grep -nE "$pattern" "$@") && fail "$what:
$found"
}

sources=$(find src cgi-bin tests/unit tests/fuzz -name '*.[ch]' | sort)

# shellcheck disable=SC2086 # one word a file
clang-format --dry-run --Werror $sources || fail 'run clang-format -i on these files'

# unknownMacro: cJSON_ArrayForEach, whose header is not read.
# varFuncNullUB: asks for a cast of the NULL that ends a list of arguments; in POSIX it is
# a pointer already (stddef.h).
cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
    --suppress=unknownMacro --suppress=varFuncNullUB -Isrc -D_GNU_SOURCE -DVERSION='"0"' \
    -DWITH_POSTGRESQL \
    src cgi-bin || fail 'cppcheck found something'

flags='-std=c17 -D_GNU_SOURCE -DVERSION="0" -DWITH_POSTGRESQL -Isrc '$(pkg-config --cflags libpq)
programs=$(find src cgi-bin -name '*.c' | sort)

# shellcheck disable=SC2086 # one word a flag or file
printf '%s\n' $programs | xargs -P "$(nproc)" -I '{}' \
    clang-tidy --quiet '{}' -- $flags >build/tidy.log 2>/dev/null ||
    { cat build/tidy.log >&2; fail 'clang-tidy found something'; }

# shellcheck disable=SC2086 # one word a flag
printf '%s\n' $programs | xargs -P "$(nproc)" -I '{}' \
    ${CC:-cc} $flags -O2 -fanalyzer -Werror -c -o /dev/null '{}' ||
    fail 'the analyzer of gcc found something'

hardening-check --quiet --nocfprotection cgi-bin/*.fcgi build/flashduty-gateway ||
    fail 'a program is not hardened'

# Third-party headers stay in their rooms.
others() {
    find src cgi-bin -name '*.[ch]' | grep -vE "^src/($1)" | sort
}
# shellcheck disable=SC2046 # one word a file
{
    refuse 'libfcgi belongs to src/serve.c' '<fcgi' $(others 'serve\.c')
    refuse 'libcurl belongs to src/net' '<curl/' $(others 'net/')
    refuse 'SQLite belongs to src/store/sqlite.c' '<sqlite3\.h>' $(others 'store/sqlite\.c')
    refuse 'libpq belongs to src/store/postgres*' '<libpq' $(others 'store/postgres')
    refuse 'libconfig belongs to src/config' '<libconfig\.h>' $(others 'config/')
    refuse 'PCRE2 belongs to src/routing' '<pcre2\.h>' $(others 'routing/')
    refuse 'cJSON is included by src/base/json.h alone' 'cJSON\.h>' $(others 'base/json\.h')
}

# Includes run downwards: base < alert < routing, vendors, net, store < trust, delivery < config, request,
# response < gateway, serve < status < endpoint, cli. Nothing below knows what stands above.
refuse 'base includes only base' '#include "(alert|vendors|net|delivery|cli|[a-z_]+\.h)' src/base/*.[ch]
refuse 'alert includes only base' '#include "(vendors|net|delivery|cli|[a-z_]+\.h)' src/alert/*.[ch]
refuse 'vendors include only alert and base' '#include "(net|delivery|cli|[a-z_]+\.h)' src/vendors/*.[ch]
refuse 'routing includes only alert and base' '#include "(vendors|net|store|delivery|cli|config|[a-z_]+\.h)' src/routing/*.[ch]
refuse 'store includes only alert and base' '#include "(vendors|net|delivery|cli|config|[a-z_]+\.h)' src/store/*.[ch]
refuse 'net includes only base' '#include "(alert|vendors|delivery|cli|[a-z_]+\.h)' src/net/*.[ch]
refuse 'trust stands below requests' '#include "(delivery|cli|config|[a-z_]+\.h)' src/trust/*.[ch]
refuse 'delivery stands below requests' '#include "(vendors|cli|[a-z_]+\.h)' src/delivery/*.[ch]

refuse 'status stands below the programs' '#include "(cli|serve|service|endpoint)' src/status/*.[ch]

# Delivery never names a vendor, and vendors never name Flashduty.
refuse 'delivery names a vendor' '"(ces|guance)|smn' src/delivery/*.[ch]
refuse 'a vendor names Flashduty' '[Ff]lashduty' $(find src/vendors -name '*.c')

refuse 'left unfinished' '\b(TODO|FIXME|XXX|HACK)\b' $(git ls-files 2>/dev/null | grep -v '^tests/lint.sh$' | xargs -r ls -d 2>/dev/null | grep -vE '\.(json|svg|png)$')

python3 -m compileall -q tests || fail 'Python does not compile'
find tests -name __pycache__ -prune -exec rm -rf {} +

[ "$failed" = 0 ] && echo 'lint: nothing found'
exit "$failed"
