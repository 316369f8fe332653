#!/usr/bin/env bash
# fetch.sh DEST: puts AWS's runtime interface emulator (aws-lambda-rie, for this machine) into the folder DEST. AWS ships it,
# built for both architectures, inside its SAM command line, a Python package pinned here with its checksum; so no Go is
# needed, and Debian 12's would be too old.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || {
	echo "usage: fetch.sh DEST" >&2
	exit 2
}
stamp=$(sha256sum "$here/requirements.txt" | cut -d' ' -f1)
if [ -x "$1/aws-lambda-rie" ] && [ "$(cat "$1/.stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
case $(uname -m) in
x86_64) arch=x86_64 ;;
aarch64 | arm64) arch=arm64 ;;
*)
	echo "fetch.sh: no emulator for $(uname -m)" >&2
	exit 1
	;;
esac
mkdir -p "$1"
work=$(mktemp -d "$1/get.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes -r "$here/requirements.txt" -d "$work"
(cd "$work" && python3 -m zipfile -e aws_sam_cli-*.whl package)
install -m 755 "$work/package/samcli/local/rapid/aws-lambda-rie-$arch" "$1/aws-lambda-rie"
echo "$stamp" >"$1/.stamp"
