#!/bin/sh
# build.sh x86_64|aarch64 PREFIX: what the static release links, built from sources.txt into PREFIX: musl with a compiler
# wrapper (bin/cc), OpenSSL, libcurl, expat, Lua's source. Does nothing when PREFIX was made of the same inputs.
# Files come from fetch.sh and are kept in $SM_SOURCES_CACHE.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
say() { printf 'static: %s\n' "$*" >&2; }
case "$#:${1:-}" in 2:x86_64 | 2:aarch64) ;; *) say "usage: build.sh x86_64|aarch64 PREFIX"; exit 2 ;; esac
arch=$1
mkdir -p "$2"
prefix=$(cd "$2" && pwd)
sources=${SM_SOURCES_CACHE:-$prefix/../sources}
jobs=$(nproc 2> /dev/null || echo 2)
# The whole tree of a foreign machine has its own tools; on the machine itself they may carry no prefix.
tools=$arch-linux-gnu-
command -v "${tools}gcc" > /dev/null || tools=
gcc=${tools}gcc
case $("$gcc" -dumpmachine 2> /dev/null) in "$arch"-*) ;; *) say "no compiler for $arch here (Debian, Ubuntu: gcc-$(echo "$arch" | tr _ -)-linux-gnu)"; exit 1 ;; esac

stamp=$({ cat "$here/sources.txt" "$here/build.sh" "$here/cc.in" "$here/curve448_absent.c"; "$gcc" -dumpfullversion; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$prefix/.stamp" 2> /dev/null)" = "$stamp" ]; then exit 0; fi
"$here/fetch.sh" "$sources"
rm -rf "$prefix"
mkdir -p "$prefix/bin" "$prefix/work"
work=$prefix/work
export SOURCE_DATE_EPOCH=1 LC_ALL=C TZ=UTC
unset CFLAGS LDFLAGS CPPFLAGS CC || :

step() { # NAME COMMAND...: quiet unless it fails
	name=$1
	shift
	if ! "$@" > "$work/$name.log" 2>&1; then
		grep -nE '(error|Error|undefined reference)' "$work/$name.log" | head -n 20 >&2 || :
		tail -n 15 "$work/$name.log" >&2
		say "$name for $arch failed; everything is in $work/$name.log"
		exit 1
	fi
}

unpack() { # PACKAGE: the tree of its orig file with Debian's patches
	mkdir "$work/$1"
	tar -xzf "$sources/$(sed -n "s/^$1  *\([^ ]*orig.tar.gz\) .*/\1/p" "$here/sources.txt")" -C "$work/$1" --strip-components=1
	patches=$(sed -n "s/^$1  *\([^ ]*debian.tar.xz\) .*/\1/p" "$here/sources.txt")
	[ -n "$patches" ] || return 0
	tar -xJf "$sources/$patches" -C "$work/$1" debian/patches
	sed 's/[[:space:]]*#.*//; /^$/d' "$work/$1/debian/patches/series" | while read -r patch; do
		(cd "$work/$1" && patch -p1 -s --no-backup-if-mismatch < "debian/patches/$patch") || { say "$1: $patch does not apply"; exit 1; }
	done
}

kernel_headers() { # musl has none of its own
	mkdir "$prefix/kernel"
	for dir in "/usr/$arch-linux-gnu/include" "/usr/include/$arch-linux-gnu" /usr/include; do
		for name in linux asm asm-generic; do
			[ -e "$prefix/kernel/$name" ] || [ ! -d "$dir/$name" ] || ln -s "$dir/$name" "$prefix/kernel/$name"
		done
	done
	[ -d "$prefix/kernel/asm" ] && [ -d "$prefix/kernel/linux" ] || { say "the kernel's headers for $arch are missing (package linux-libc-dev)"; exit 1; }
}

# oldmalloc: smaller and faster than the newer one for what OpenSSL does (a TLS context 0.76 ms, not 1.0).
musl() {
	unpack musl
	cd "$work/musl"
	step musl-configure ./configure --target="$arch-linux-gnu" --prefix="$prefix" --disable-shared --disable-wrapper \
		--with-malloc=oldmalloc CC="$gcc" CROSS_COMPILE="$tools" CFLAGS="-fno-asynchronous-unwind-tables -ffile-prefix-map=$work=."
	step musl-make make -j"$jobs"
	step musl-install make install
	sh tools/musl-gcc.specs.sh "$prefix/include" "$prefix/lib" /nonexistent > "$prefix/lib/musl-gcc.specs"
	kernel_headers
	sed -e "s,@GCC@,$gcc,; s,@PREFIX@,$prefix,g; s,@WORK@,$work," "$here/cc.in" > "$prefix/bin/cc"
	chmod +x "$prefix/bin/cc"
}

# What no call from here reaches but tables refer to, and speed that a client does not need: writers of key files; 150 KiB
# of points for P-256 in place of a slower way to the same; curve 448, P-224 and P-521 in a hurry; AES for processors before
# 2010; AES and SHA in one pass; the ciphers' older interface; hashes, modes and key derivations that neither TLS 1.2 and
# 1.3 nor our own code use. And the question what the processor can do is asked with the first use of OpenSSL, not
# at every start (under virtualisation each of its ten cpuid instructions costs 1 to 20 us).
trim_openssl() {
	sed -i '/^ENCODER_TEXT("RSA", /,$d' providers/encoders.inc
	sed -i -e 's/ecp_nistz256\.c ecp_nistz256-\(x86_64\.s\|armv8\.S\)//' -e '/ECDEF_\(x86_64\|aarch64\)=ECP_NISTZ256_ASM/s/=.*/=/' \
		-e 's,curve448/f_generic\.c curve448/scalar\.c,curve448/absent.c,' -e 's,curve448/arch_\(32\|64\)/f_impl\(32\|64\)\.c,,' \
		-e 's,curve448/curve448_tables\.c curve448/eddsa\.c curve448/curve448\.c,,' crypto/ec/build.info
	cp "$here/curve448_absent.c" crypto/ec/curve448/absent.c
	sed -i -e '/PROV_NAMES_\(X\|ED\)448, .*_keymgmt_functions/,+1d' -e '/PROV_NAMES_\(X448\|ED448\|ED448ph\),/d' providers/defltprov.c
	sed -i -e '/ossl_aes[0-9]*\(cbc_cts\|ofb\|cfb[18]\{0,1\}\|xts\|ccm\|wrap[a-z]*\)_functions/d' \
		-e '/ossl_\(sha3\|keccak\|shake\)_[0-9]*_functions/d' -e '/PROV_NAMES_\(KECCAK_KMAC\|HMAC_DRBG_KDF\)/,+1d' \
		-e '/_sha3_[0-9]*_signature_functions/d' -e '/ossl_\(gmac\|kmac128\|kmac256\|cmac\|mac_legacy_cmac_signature\)_functions/d' \
		-e '/ossl_kdf_\(sskdf\|pbkdf2\|pkcs12\|sshkdf\|x963_kdf\|kbkdf\|x942_kdf\|krb5kdf\)_functions/d' \
		-e '/ossl_\(drbg_hash\|drbg_ossl_hmac\|test_rng\)_functions/d' -e '/_asym_kem_functions/d' providers/defltprov.c
	sed -i '/TLS_GROUP_ENTRY("x448"/d' providers/common/capabilities.c
	sed -i 's/EC_GFp_nistp\(224\|521\)_method/0/' crypto/ec/ec_curve.c
	sed -i -e 's/ bsaes-x86_64\.s\| bsaes-armv8\.S\|aesni-sha1-x86_64\.s aesni-sha256-x86_64\.s aesni-mb-x86_64\.s//' \
		-e '/AESDEF_\(x86_64\|aarch64\)=/s/ *BSAES_ASM//' crypto/aes/build.info
	sed -i '/define AES_CBC_HMAC_SHA_CAPABLE/d' include/crypto/aes_platform.h
	sed -i '/^ *EVP_add_cipher\(_alias\)\{0,1\}(.*);$/d' crypto/evp/c_allc.c
	sed -i '/^\.section\t\.init$/,/call/d' crypto/x86_64cpuid.pl
}

# Only what a TLS client, SigV4, JWT and hashes need. Its own configuration folder must not exist: the machine's
# openssl.cnf is written for the machine's OpenSSL.
openssl() {
	unpack openssl
	cd "$work/openssl"
	trim_openssl
	step openssl-configure env PATH="$prefix/bin:$PATH" CC=cc AR="${tools}ar" RANLIB="${tools}ranlib" ./Configure "linux-$arch" \
		--prefix=/nonexistent --libdir=lib --openssldir=/nonexistent/ssl \
		no-shared no-dso no-engine no-module no-legacy no-tests no-docs no-apps no-async no-afalgeng no-ssl3 no-tls1 no-tls1_1 \
		no-dtls no-srp no-psk no-comp no-weak-ssl-ciphers no-md4 no-rc2 no-rc4 no-rc5 no-idea no-seed no-camellia no-aria \
		no-cast no-bf no-sm2 no-sm3 no-sm4 no-cms no-ts no-ct no-cmp no-gost no-whirlpool no-mdc2 no-rmd160 no-siphash no-srtp \
		no-nextprotoneg no-dsa no-ec2m no-blake2 no-multiblock no-uplink no-ui-console no-autoload-config no-quic no-ml-dsa \
		no-slh-dsa no-ocsp no-scrypt no-argon2 no-siv no-ocb no-des no-http no-rfc3779 no-filenames no-ssl-trace no-sslkeylog \
		no-tls-deprecated-ec no-integrity-only-ciphers no-thread-pool no-default-thread-pool no-pinshared no-pic \
		no-dh no-ml-kem no-chacha no-poly1305 enable-ec_nistp_64_gcc_128 \
		-Os -ffunction-sections -fdata-sections
	step openssl-make env PATH="$prefix/bin:$PATH" make -j"$jobs" build_libs
	step openssl-install env PATH="$prefix/bin:$PATH" make install_dev DESTDIR="$work/openssl-out"
	cp -R "$work/openssl-out/nonexistent/include" "$work/openssl-out/nonexistent/lib" "$prefix"
}

# HTTP/1.1 over TLS, with proxies; nothing else. No certificates compiled in: core/http_trust.c says whom to trust.
curl() {
	unpack curl
	set -- -DHTTP_ONLY=ON -DBUILD_SHARED_LIBS=OFF -DBUILD_STATIC_LIBS=ON -DBUILD_CURL_EXE=OFF -DBUILD_LIBCURL_DOCS=OFF \
		-DBUILD_MISC_DOCS=OFF -DENABLE_CURL_MANUAL=OFF -DBUILD_TESTING=OFF -DBUILD_EXAMPLES=OFF \
		-DCURL_USE_OPENSSL=ON -DCURL_ZLIB=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DUSE_NGHTTP2=OFF -DUSE_LIBIDN2=OFF \
		-DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF -DENABLE_THREADED_RESOLVER=ON -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none
	for feature in COOKIES HSTS ALTSVC NETRC KERBEROS_AUTH NEGOTIATE_AUTH DIGEST_AUTH AWS DOH MIME FORM_API WEBSOCKETS SRP VERBOSE_STRINGS PARSEDATE SHUFFLE_DNS GETOPTIONS LIBCURL_OPTION IPFS BINDLOCAL BEARER_AUTH HEADERS_API; do
		set -- "$@" -DCURL_DISABLE_$feature=ON
	done
	step curl-configure env PATH="$prefix/bin:$PATH" cmake -S "$work/curl" -B "$work/curl/build" -G Ninja "$@" -DCURL_DISABLE_NTLM=ON \
		-DENABLE_UNIX_SOCKETS=OFF -DENABLE_WEBSOCKETS=OFF -DCURL_DISABLE_OPENSSL_AUTO_LOAD_CONFIG=ON \
		-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$arch" -DCMAKE_C_COMPILER="$prefix/bin/cc" -DCMAKE_AR="$(command -v "${tools}ar")" \
		-DCMAKE_RANLIB="$(command -v "${tools}ranlib")" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-Os -DNDEBUG" \
		-DCMAKE_C_FLAGS="-ffunction-sections -fdata-sections" -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
		-DCMAKE_FIND_ROOT_PATH="$prefix" -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
		-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DOPENSSL_ROOT_DIR="$prefix" -DOPENSSL_USE_STATIC_LIBS=ON
	step curl-make cmake --build "$work/curl/build" -j"$jobs"
	step curl-install cmake --install "$work/curl/build"
}

expat() {
	unpack expat
	step expat-configure cmake -S "$work/expat/expat" -B "$work/expat/build" -G Ninja -DEXPAT_SHARED_LIBS=OFF -DEXPAT_BUILD_TOOLS=OFF \
		-DEXPAT_BUILD_EXAMPLES=OFF -DEXPAT_BUILD_TESTS=OFF -DEXPAT_BUILD_DOCS=OFF -DEXPAT_BUILD_PKGCONFIG=OFF \
		-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$arch" -DCMAKE_C_COMPILER="$prefix/bin/cc" -DCMAKE_AR="$(command -v "${tools}ar")" \
		-DCMAKE_RANLIB="$(command -v "${tools}ranlib")" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-Os -DNDEBUG" \
		-DCMAKE_C_FLAGS="-ffunction-sections -fdata-sections" -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib
	step expat-make cmake --build "$work/expat/build" -j"$jobs"
	step expat-install cmake --install "$work/expat/build"
}

# What their authors want to go along with the program.
licenses() {
	for file in musl/COPYRIGHT openssl/LICENSE.txt curl/COPYING expat/COPYING; do
		printf '==== %s ====\n\n' "${file%/*}"
		cat "$work/$file"
	done
	printf '==== Lua ====\n\n'
	sed -n '/Copyright (C)/,$p' "$prefix/lua/lua.h" | sed '/\*\//,$d; s/^\* \{0,1\}//'
}

started=$(date +%s)
say "building what the $arch release links (musl, OpenSSL, libcurl, expat; once, some minutes)"
musl
openssl
curl
expat
unpack lua5.4
mv "$work/lua5.4/src" "$prefix/lua"
licenses > "$prefix/licenses"
rm -rf "$work"/*/
printf '%s\n' "$stamp" > "$prefix/.stamp"
say "built for $arch in $(($(date +%s) - started)) s"
