#!/usr/bin/env bash
# Installs what the tests need (Debian 12: packages by apt-get, tools by go and
# npm into dist/tools) and runs all of them. With CI=true a test that skips
# because a real component is missing counts as a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/dist/tools
mkdir -p "$tools"
export PATH="$tools/bin:$PATH" TEST_TOOLS=$tools

step() { printf '\n== %s\n' "$*"; }

install_packages() {
	local missing=()
	command -v age >/dev/null || missing+=(age)
	command -v ssh-keygen >/dev/null || missing+=(openssh-client)
	[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
	command -v sha256sum >/dev/null || missing+=(coreutils)
	command -v curl >/dev/null || missing+=(curl ca-certificates)
	command -v jq >/dev/null || missing+=(jq)
	command -v openssl >/dev/null || missing+=(openssl)
	command -v awk >/dev/null || missing+=(mawk)
	command -v strace >/dev/null || missing+=(strace)
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
	[ -x /usr/sbin/rsyslogd ] && ls /usr/lib/*/rsyslog/lmnsd_gtls.so >/dev/null 2>&1 || missing+=(rsyslog rsyslog-gnutls)
	command -v systemd-analyze >/dev/null || missing+=(systemd)
	command -v gcc >/dev/null || missing+=(gcc libc6-dev)
	if [ ${#missing[@]} -eq 0 ]; then return; fi
	local as_root=()
	[ "$(id -u)" -eq 0 ] || as_root=(sudo)
	"${as_root[@]}" apt-get update -qq
	DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

install_tools() {
	# The newest stock age beside Debian's.
	[ -x "$tools/bin/age-1.3.2" ] || {
		GOBIN=$tools/bin go install filippo.io/age/cmd/age@v1.3.2 filippo.io/age/cmd/age-keygen@v1.3.2
		mv "$tools/bin/age" "$tools/bin/age-1.3.2"
		mv "$tools/bin/age-keygen" "$tools/bin/age-keygen-1.3.2"
	}
	# An S3 server with a folder backend (about two minutes to build).
	[ -x "$tools/bin/versitygw" ] || GOBIN=$tools/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	# A proxy that spoils connections; 2.5.0 is the newest release that resolves.
	[ -x "$tools/bin/toxiproxy-server" ] || {
		GOBIN=$tools/bin go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0
		mv "$tools/bin/server" "$tools/bin/toxiproxy-server"
	}
	# The second implementation of age, and the grammar of PowerShell.
	[ -d "$tools/node_modules/age-encryption" ] && [ -d "$tools/node_modules/tree-sitter-powershell" ] ||
		npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tools" \
			age-encryption@0.3.1 web-tree-sitter@0.27.1 tree-sitter-powershell@0.26.4
}

# One build for each system, and both processors among them; scripts/release.sh
# makes all six.
cross_builds() {
	local target
	for target in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do
		GOOS=${target%/*} GOARCH=${target#*/} go build -trimpath -o "dist/${target/\//-}/" ./cmd/teikyo
	done
}

step "what the tests need"
install_packages
install_tools

step "formatting and vet"
unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted"; exit 1; }
# Built as the program is released, so that what vet compiles serves the builds below.
CGO_ENABLED=0 go vet -trimpath ./...

step "tests, with the race detector"
go build -race ./... # on all cores, which -p 1 below does not use
# The first ones start databases, stores and servers of their own, and some promise
# something within a second: one package at a time, and as they mostly wait, four
# tests at a time. The others come two by two.
heavy='teikyo/(access|cmd/teikyo|database|dataset|handlers|provision|storage/s3)$'
mapfile -t alone < <(go list ./... | grep -E "$heavy")
mapfile -t others < <(go list ./... | grep -vE "$heavy")
failed=0
go test -race -p 1 -parallel 4 -timeout 30m "${alone[@]}" || failed=1
go test -race -p 2 -timeout 30m "${others[@]}" || failed=1
[ "$failed" -eq 0 ] || exit 1

step "the same source gives the same program"
bash scripts/reproducible.sh

step "static builds for linux, macOS and windows"
CGO_ENABLED=0 cross_builds
echo "built: $(echo dist/*-*)"
