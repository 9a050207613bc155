#!/bin/sh
# A real Prometheus and its promtool for `make field`, in the folder that is named: out of the system's
# package, which is not installed (its service would start), or built with Go.
# `sh install-prometheus.sh FOLDER`
set -e
folder="$1"
version=v0.307.3
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
[ -x "$folder/promtool" ] && [ -x "$folder/prometheus" ] && exit 0
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
if command -v apt-get >/dev/null && apt-get download -qq prometheus; then
    dpkg -x prometheus_*.deb .
    cp usr/bin/promtool usr/bin/prometheus "$folder"
    exit 0
fi
if command -v go >/dev/null; then
    # Its go.mod excludes modules, which `go install` of another's module refuses: so it is built
    # where it lies, without the clients of every cloud.
    module=$(go mod download -json "github.com/prometheus/prometheus@$version" |
        sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
    cp -r "$module" source
    chmod -R u+w source
    (cd source && go build -tags remove_all_sd -o "$folder" ./cmd/promtool ./cmd/prometheus) &&
        exit 0
fi
echo "The tests with a real Prometheus need one, and promtool: put both on your PATH, or install Go." >&2
# Without CI they say so and are skipped; under CI they fail.
