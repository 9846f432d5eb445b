#!/usr/bin/env bash
# Builds the program twice: here, and in another folder with an empty build cache.
# The two must be the same bytes, and static.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build() {
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X teikyo/internal/buildinfo.version=reproducible" -o "$1" ./cmd/teikyo
}
build "$work/first"
mkdir -p "$work/elsewhere/source"
git ls-files -z | tar --create --file - --null --files-from - | tar --extract --file - --directory "$work/elsewhere/source"
(cd "$work/elsewhere/source" && GOCACHE=$work/cache build "$work/second")
cmp "$work/first" "$work/second" || { echo "the same source gave two programs" >&2; exit 1; }
if command -v readelf >/dev/null && readelf -l "$work/first" 2>/dev/null | grep -q INTERP; then
	echo "the program is not static" >&2
	exit 1
fi
sha256sum <"$work/first"
