#!/bin/sh
# fetch-cjson.sh OUTPUT_DIR [unpatched]: puts the patched source of lua-cjson into OUTPUT_DIR, or, for comparisons, the
# source as it came.
#
# The tarball is Debian's source package, pinned by checksum. It is looked for in $SM_SOURCES_DIR, then in the cache
# beside OUTPUT_DIR, and only then asked from the machine's own package mirrors, through a private apt configuration:
# nothing global changes, and no address is written here. Then our patches (cmake/patches/lua-cjson) are applied in
# the order of their names. A second call with the same patches does nothing.
set -eu

name=lua-cjson_2.1.0+dfsg.orig.tar.gz
sha256=94f1fce36742cf00e99c5071b309b9f71e6e7daf60a7151f7bf4ac0a97259ac4
here=$(cd "$(dirname "$0")" && pwd)
patches=$here/patches/lua-cjson

say() { printf 'fetch-cjson: %s\n' "$*" >&2; }

case ${2:-} in '' | unpatched) ;; *) set -- ;; esac
[ $# -ge 1 ] || { say "usage: fetch-cjson.sh OUTPUT_DIR [unpatched]"; exit 2; }
[ $# -eq 1 ] || patches=/nonexistent
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
parent=$(dirname "$out")
cache=${SM_SOURCES_CACHE:-$parent/sources}
mkdir -p "$parent" "$cache"

good() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$sha256" ]; }

# What the result was made of; when it is the same as last time there is nothing to do.
stamp=$({ echo "$sha256"; cat "$0"; cat "$patches"/*.patch 2> /dev/null || :; } | sha256sum | cut -d' ' -f1)
if [ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ]; then exit 0; fi

work=$(mktemp -d "$parent/cjson.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# Writes the machine's binary entries as source entries: one-line files and deb822 files, options kept.
source_entries() {
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] && sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >> "$work/etc/sources.list.d/machine.list"
	done
	number=0
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		number=$((number + 1))
		sed 's/^[Tt]ypes:.*/Types: deb-src/' "$file" > "$work/etc/sources.list.d/machine$number.sources"
	done
	return 0
}

# Asks the mirrors for the source package's tarball; the log is shown only when it fails.
download() {
	command -v apt-get > /dev/null || { say "no apt-get here"; return 1; }
	mkdir -p "$work/etc/sources.list.d" "$work/etc/preferences.d" "$work/state/lists/partial" "$work/cache/archives/partial" "$work/got"
	: > "$work/etc/sources.list.d/machine.list"
	source_entries
	# "_apt" must be able to read what root wrote; as root the sandbox user is switched off for this private folder.
	set -- -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/etc/sources.list.d" \
		-o Dir::Etc::preferencesparts="$work/etc/preferences.d" -o Dir::Etc::preferences=/dev/null \
		-o Dir::State="$work/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$work/cache" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 -o Debug::NoLocking=true
	say "getting the source of lua-cjson from this machine's package mirrors"
	( cd "$work/got" && apt-get "$@" -qq update && apt-get "$@" -qq source --download-only --tar-only lua-cjson ) \
		> "$work/log" 2>&1 || { sed 's/^/    /' "$work/log" >&2; return 1; }
}

tarball=
for candidate in "${SM_SOURCES_DIR:+$SM_SOURCES_DIR/$name}" "$cache/$name"; do
	if [ -n "$candidate" ] && [ -f "$candidate" ]; then
		if good "$candidate"; then tarball=$candidate; break; fi
		say "$candidate does not have the pinned checksum; it is not used"
	fi
done
if [ -z "$tarball" ]; then
	if download && good "$work/got/$name"; then
		cp "$work/got/$name" "$cache/$name.part" && mv "$cache/$name.part" "$cache/$name"
		tarball=$cache/$name
	else
		say "could not get $name (sha256 $sha256)."
		say "Put that file, from Debian's source package lua-cjson 2.1.0, into a folder and set SM_SOURCES_DIR to it."
		exit 1
	fi
fi

mkdir "$work/tree"
tar -xzf "$tarball" -C "$work/tree" --strip-components=1
for patch in "$patches"/*.patch; do
	[ -f "$patch" ] || continue
	( cd "$work/tree" && patch -p1 --quiet --no-backup-if-mismatch < "$patch" ) || { say "$(basename "$patch") does not apply"; exit 1; }
done
printf '%s\n' "$stamp" > "$work/tree/.stamp"
rm -rf "$out"
mv "$work/tree" "$out"
