#!/bin/sh
# No browser is there: take the system's package where we may, else say what is needed.
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
elif command -v dnf >/dev/null && [ "$(id -u)" = 0 ]; then
    dnf install -y -q chromium
else
    echo "The page tests need Chromium: install your system's 'chromium' package." >&2
    # Without CI the tests that need it say so and are skipped; under CI they fail.
fi
