#!/bin/sh
# Builds those libraries of the static programs that Debian has no fitting archive of, from Debian's
# own sources: libcurl, whose archive there wants dozens of libraries without one, cJSON, and OpenSSL
# with fewer algorithms: the first use of one looks at all of its kind, in each process anew.
#
#     static-libraries.sh FOLDER     leaves include/ and lib/ in FOLDER
#
# The sources come by apt from where this machine's packages come from, checked by apt; nothing is
# installed. CC is the compiler; HOST, if set, the target's triplet (as in aarch64-linux-gnu).
set -eu
exec 3>&2
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
    program=$1
    shift
    "$program" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/apt/parts" \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

# The newest version that can be had: a mirror may not have all of the latest one yet.
fetch_source() {
    for version in $(get apt-cache showsrc "$1" | sed -n 's/^Version: //p' | sort -ruV); do
        if (cd "$work" && get apt-get --only-source --download-only source "$1=$version"); then
            (cd "$work" && dpkg-source --no-check --extract "$1_${version#*:}.dsc" "$1")
            return
        fi
        echo "The sources of $1 $version could not be had." >&3
    done
    return 1
}

fetch() {
    list_sources
    # Lists that have no sources (a vendor's) are passed over.
    get apt-get update || true
    fetch_source openssl && fetch_source curl && fetch_source cjson
}

# TLS 1.2 and newer, certificates, SHA-1, SHA-2: what is left out nobody offers any more, or it is for
# other uses than a client's. No modules, which a static program could not load.
build_openssl() {
    case ${HOST:-$(uname -m)} in
        x86_64*) system="linux-x86_64 enable-ec_nistp_64_gcc_128" ;;
        aarch64*) system="linux-aarch64 enable-ec_nistp_64_gcc_128" ;;
        i?86*) system=linux-x86 ;;
        arm*) system=linux-armv4 ;;
        powerpc64le*) system=linux-ppc64le ;;
        riscv64*) system=linux64-riscv64 ;;
        s390x*) system=linux64-s390x ;;
        *) system=linux-generic$(getconf LONG_BIT) ;;
    esac
    cd "$work/openssl" || return
    # shellcheck disable=SC2086 # a word an option
    ./Configure $system --openssldir=/usr/lib/ssl CC="$CC" AR="${AR:-ar}" CFLAGS="$flags" \
        no-shared no-tests no-module no-legacy no-dso no-engine no-autoload-config no-async no-ui-console \
        no-ssl3 no-tls1 no-tls1_1 no-dtls no-srp no-srtp no-nextprotoneg no-comp no-weak-ssl-ciphers \
        no-cmp no-cms no-ct no-ocsp no-ts no-aria no-bf no-blake2 no-camellia no-cast no-des no-dsa \
        no-ec2m no-gost no-idea no-md4 no-mdc2 no-ocb no-rc2 no-rc4 no-rc5 no-rmd160 no-scrypt no-seed \
        no-siphash no-siv no-sm2 no-sm3 no-sm4 no-whirlpool &&
        make -s -j"$jobs" build_generated libcrypto.a libssl.a &&
        cp libcrypto.a libssl.a "$folder/lib/" &&
        cp -R include/openssl "$folder/include/"
}

# What a POST over HTTPS needs, a proxy and its password included. c-ares, because glibc's own
# resolver loads libraries of the machine where it was built; no openssl.cnf, which may name more
# of them.
build_curl() {
    cd "$work/curl" || return
    ./configure --quiet --disable-shared --enable-static ${HOST:+"--host=$HOST"} \
        --with-openssl="$folder" --enable-ares --disable-openssl-auto-load-config \
        --without-ca-bundle --without-ca-path \
        --disable-ftp --disable-file --disable-ldap --disable-ldaps --disable-rtsp --disable-dict \
        --disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp \
        --disable-gopher --disable-mqtt --disable-manual --disable-ntlm --disable-ntlm-wb \
        --disable-tls-srp --disable-unix-sockets --disable-cookies --disable-doh --disable-mime \
        --disable-progress-meter --disable-alt-svc --disable-hsts \
        --disable-websockets --disable-headers-api --disable-get-easy-options --disable-verbose \
        --disable-crypto-auth --without-zlib --without-brotli --without-zstd --without-libpsl \
        --without-libgsasl --without-libssh2 --without-librtmp --without-libidn2 \
        --without-nghttp2 --without-gssapi CC="$CC" CFLAGS="$flags" &&
        make -s -j"$jobs" -C lib &&
        cp lib/.libs/libcurl.a "$folder/lib/" &&
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
    echo "The sources of OpenSSL, curl and cJSON could not be had, see above: is there a network?" >&2
    exit 1
}
(build_openssl && build_curl && build_cjson) >"$work/build.log" 2>&1 || {
    tail -40 "$work/build.log" >&2
    echo "The libraries could not be built: $work/build.log" >&2
    exit 1
}
rm -rf "$work"
