#!/usr/bin/env bash
# fetch.sh DEST: puts DynamoDB Local and what it needs into the folder DEST, with Maven; every file must have its pinned
# checksum. To move to another version: change pom.xml, fetch with SM_NEW_SUMS=1, look at the new SHA256SUMS, commit both.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || {
	echo "usage: fetch.sh DEST" >&2
	exit 2
}

matches() { (cd "$1" && sha256sum --quiet --check "$here/SHA256SUMS") >/dev/null 2>&1; }

if [ -z "${SM_NEW_SUMS:-}" ] && matches "$1"; then exit 0; fi
mkdir -p "$(dirname "$1")"
destination=$(readlink -f "$1")
work=$(mktemp -d "$destination.XXXXXX")
trap 'rm -rf "$work"' EXIT
mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
	-DincludeScope=runtime -DoutputDirectory="$work/lib"
if [ -n "${SM_NEW_SUMS:-}" ]; then (cd "$work/lib" && sha256sum -- *) >"$here/SHA256SUMS"; fi
matches "$work/lib" || {
	echo "fetch.sh: a file of DynamoDB Local has not the pinned checksum; refusing it" >&2
	exit 1
}
rm -rf "$destination"
mv "$work/lib" "$destination"
