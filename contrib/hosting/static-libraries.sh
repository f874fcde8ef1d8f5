#!/bin/sh
# Builds those libraries of the static programs that Debian has no fitting archive of, from Debian's
# own sources: libcurl, whose archive there wants dozens of libraries without one, and cJSON.
#
#     static-libraries.sh FOLDER     leaves include/ and lib/ in FOLDER
#
# The sources come by apt from where this machine's packages come from, checked by apt; nothing is
# installed. CC is the compiler; HOST, if set, the target's triplet (as in aarch64-linux-gnu).
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$folder/work
CC=${CC:-cc}
jobs=$(nproc 2>/dev/null || echo 2)
flags='-O2 -g -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2'

# The machine's own list of sources, with deb-src for deb.
list_sources() {
    mkdir -p "$work/apt/parts" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/apt/parts/${file##*/}"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$file" ] || sed -n 's/^deb \(.*\)/deb-src \1/p' "$file" >"$work/apt/parts/$(basename "$file" .list).list"
    done
}

get() {
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/apt/parts" \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

fetch() {
    list_sources
    # Lists that have no sources (a vendor's) are passed over.
    get update || true
    (cd "$work" && get --only-source --download-only source curl cjson)
    for name in curl cjson; do
        (cd "$work" && dpkg-source --no-check --extract "${name}"_*.dsc "$name")
    done
}

# What a POST over HTTPS needs, a proxy and its password included. c-ares, because glibc's own
# resolver loads libraries of the machine where it was built; no openssl.cnf, which may name more
# of them.
build_curl() {
    cd "$work/curl"
    ./configure --quiet --disable-shared --enable-static ${HOST:+"--host=$HOST"} \
        --with-openssl --enable-ares --disable-openssl-auto-load-config \
        --without-ca-bundle --without-ca-path \
        --disable-ftp --disable-file --disable-ldap --disable-ldaps --disable-rtsp --disable-dict \
        --disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp \
        --disable-gopher --disable-mqtt --disable-manual --disable-ntlm --disable-ntlm-wb \
        --disable-tls-srp --disable-unix-sockets --disable-cookies --disable-doh --disable-mime \
        --disable-progress-meter --disable-alt-svc --disable-hsts \
        --disable-websockets --disable-headers-api --disable-get-easy-options --disable-verbose \
        --disable-crypto-auth --without-zlib --without-brotli --without-zstd --without-libpsl \
        --without-libgsasl --without-libssh2 --without-librtmp --without-libidn2 \
        --without-nghttp2 --without-gssapi CC="$CC" CFLAGS="$flags"
    make -s -j"$jobs" -C lib
    cp lib/.libs/libcurl.a "$folder/lib/"
    cp -R include/curl "$folder/include/"
}

build_cjson() {
    cd "$work/cjson"
    # shellcheck disable=SC2086 # one word a flag
    $CC $flags -c -o cJSON.o cJSON.c
    "${AR:-ar}" rcs "$folder/lib/libcjson.a" cJSON.o
    cp cJSON.h "$folder/include/cjson/"
}

rm -rf "$work" "${folder:?}/include" "${folder:?}/lib"
mkdir -p "$work" "$folder/include/cjson" "$folder/lib"
fetch >"$work/fetch.log" 2>&1 || {
    cat "$work/fetch.log" >&2
    echo "The sources of curl and cJSON could not be had, see above: is there a network?" >&2
    exit 1
}
(build_curl && build_cjson) >"$work/build.log" 2>&1 || {
    tail -40 "$work/build.log" >&2
    echo "The libraries could not be built: $work/build.log" >&2
    exit 1
}
rm -rf "$work"
