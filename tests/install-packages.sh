#!/bin/sh
# System packages that some tests need: taken where we may, else named. `sh install-packages.sh NAME…`
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
elif command -v dnf >/dev/null && [ "$(id -u)" = 0 ]; then
    dnf install -y -q "$@"
else
    echo "Some tests need a package of your system: install $*." >&2
    # Without CI the tests that need it say so and are skipped; under CI they fail.
fi
