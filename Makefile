# Shortcuts. The tests run by "bash scripts/check.sh", which needs no make.
.PHONY: build test check bench fuzz sizes lint release

build:
	CGO_ENABLED=0 go build -trimpath -o dist/teikyo ./cmd/teikyo

test:
	go test ./...

check:
	bash scripts/check.sh

bench:
	go run ./bench

fuzz:
	bash scripts/fuzz.sh

sizes:
	go run ./internal/sizes

lint:
	golangci-lint run

release:
	bash scripts/release.sh
