#!/bin/sh
# A real Alertmanager for `make field`, in the folder that is named: built with Go, or out of the
# system's package, which is not installed: its service would start. `sh install-alertmanager.sh FOLDER`
set -e
folder="$1"
version=v0.28.1
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
[ -x "$folder/alertmanager" ] && exit 0
if command -v go >/dev/null; then
    GOBIN="$folder" GOFLAGS=-mod=mod \
        go install "github.com/prometheus/alertmanager/cmd/alertmanager@$version" && exit 0
fi
if command -v apt-get >/dev/null; then
    cd "$(mktemp -d)"
    if apt-get download -qq prometheus-alertmanager; then
        dpkg -x prometheus-alertmanager_*.deb .
        cp usr/bin/prometheus-alertmanager "$folder/alertmanager"
        exit 0
    fi
fi
echo "The tests with a real Alertmanager need one: put it on your PATH, or install Go." >&2
# Without CI they say so and are skipped; under CI they fail.
