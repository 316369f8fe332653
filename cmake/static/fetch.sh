#!/bin/sh
# fetch.sh FOLDER: puts the files of sources.txt into FOLDER, each checked against its sha256. Prints nothing when all are there.
#
# Ways, in this order: it is there already; $SM_SOURCES_DIR has it; a Debian mirror (those that this machine's package
# manager uses on Debian; $SM_DEBIAN_MIRROR on other systems), through apt's own transports, so its proxy settings hold;
# upstream's release address. A file with another checksum is never used, whatever way it came.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
list=$here/sources.txt

say() { printf 'fetch: %s\n' "$*" >&2; }

[ $# -eq 1 ] || { say "usage: fetch.sh FOLDER"; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)

good() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }

take() { # FILE SUM FROM: a checked copy in the folder, through a temporary name
	good "$3" "$2" || return 1
	cp "$3" "$folder/.$1.$$" && mv "$folder/.$1.$$" "$folder/$1"
}

mirrors() { # one base address a line
	[ -z "${SM_DEBIAN_MIRROR:-}" ] || printf '%s\n' "${SM_DEBIAN_MIRROR%/}"
	grep -qs '^ID=debian' /etc/os-release || return 0
	apt-get update --print-uris 2> /dev/null | sed -n "s,^'\(.*\)/dists/.*InRelease'.*,\1,p" | grep -i debian | sort -u || :
}

from_mirror() { # PACKAGE FILE SUM
	[ -x /usr/lib/apt/apt-helper ] || return 1
	pool=main/$(printf %.1s "$1")/$1/$2
	for base in $mirrors; do
		for path in pool/$pool pool/updates/$pool; do
			/usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "$base/$path" "$work/$2" "SHA256:$3" > "$work/log" 2>&1 || continue
			take "$2" "$3" "$work/$2" && return 0
		done
	done
	return 1
}

from_upstream() { # FILE SUM ADDRESS
	[ "$3" != - ] && command -v curl > /dev/null || return 1
	curl -fsSL --retry 2 --connect-timeout 20 -o "$work/$1" "$3" 2> "$work/log" || return 1
	take "$1" "$2" "$work/$1"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
mirrors=
missing=
while read -r package file sum address; do
	case $package in '' | '#'*) continue ;; esac
	good "$folder/$file" "$sum" && continue
	if [ -n "${SM_SOURCES_DIR:-}" ] && take "$file" "$sum" "$SM_SOURCES_DIR/$file"; then continue; fi
	[ -n "$mirrors" ] || mirrors=$(mirrors)
	say "getting $file"
	from_mirror "$package" "$file" "$sum" || from_upstream "$file" "$sum" "$address" || missing="$missing
    $file  sha256 $sum"
done < "$list"
if [ -n "$missing" ]; then
	say "not found with the pinned checksum:$missing"
	say "They belong to Debian's source packages of those names. Put them into a folder and set SM_SOURCES_DIR to it, or set"
	say "SM_DEBIAN_MIRROR to a Debian mirror. (A mirror drops a file when a newer one replaces it: cmake/static/sources.txt says how to move on.)"
	exit 1
fi
