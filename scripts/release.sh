#!/usr/bin/env bash
# Builds a release into dist/release: the program for six systems, man pages,
# completions, the systemd unit, the bill of materials and SHA256SUMS. The same
# source gives the same bytes, in any folder. Usage: release.sh [VERSION]
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-${VERSION:-$(git describe --tags --always 2>/dev/null || echo development)}}
out=$PWD/dist/release
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
rm -rf "$out"
mkdir -p "$out"

# build OS ARCH FILE
build() {
	CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X teikyo/internal/buildinfo.version=$version" -o "$3" ./cmd/teikyo
}
for os in linux darwin windows; do
	for arch in amd64 arm64; do
		suffix=
		[ $os != windows ] || suffix=.exe
		build $os $arch "$out/teikyo-$version-$os-$arch$suffix"
	done
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$work/teikyo"
mkdir -p "$work/share/man/man1" "$work/share/completions" "$work/share/systemd"
"$work/teikyo" man -o "$work/share/man/man1"
for shell in bash zsh fish powershell; do
	"$work/teikyo" completion $shell >"$work/share/completions/teikyo.$shell"
done
cp packaging/teikyo.service "$work/share/systemd/"
tar --create --file - --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$epoch" share |
	gzip -n -9 >"$out/teikyo-$version-share.tar.gz"
go run ./internal/sbom "$work/teikyo" >"$out/teikyo-$version.cdx.json"
(cd "$out" && sha256sum -- * >SHA256SUMS)
cat "$out/SHA256SUMS"
