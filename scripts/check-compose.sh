#!/usr/bin/env bash
# Reads docker-compose.yml and the Dockerfile with Docker's own parsers: Compose's loader, which
# knows every setting, and BuildKit's front end, which compiles every target and lints. Neither
# needs an engine.
#
# Needs Go, of the version that scripts/check-compose/go.mod names or newer; the parsers come from
# the Go module proxy, with the checksums in go.sum.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "check-compose.sh: $*" >&2
    exit 1
}

needed=$(sed -n 's/^go //p' scripts/check-compose/go.mod)
command -v go >/dev/null || fail "Go is not installed: install Go $needed or newer"
found=$(go env GOVERSION)
found=${found#go}
[ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" = "$needed" ] ||
    fail "Go is $found here, and the parsers need $needed or newer"

exec go run -C scripts/check-compose . "$PWD"
