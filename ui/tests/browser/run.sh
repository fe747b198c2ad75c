#!/usr/bin/env bash
# The pages in a real browser against the real binary: ui/tests/browser/*.test.ts, each with managers of its own on loopback.
#
# usage: ui/tests/browser/run.sh BINARY [NAME…]
#
# NAME: only files with this in their names. Needs ui/node_modules (`make ui`) and a Chromium: CHROMIUM, or
# /usr/bin/chromium. As root the browser runs without its sandbox; elsewhere CHROMIUM_SANDBOX=0 does that.
# TAPIR_PAGES=ui/dist tests these files and not the pages in the binary; TAPIR_SCREENSHOTS=DIR takes the pictures
# (target/screenshots). Ends within BROWSER_SECONDS (1800), and leaves no process and no file but the pictures.
set -euo pipefail
ui=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
TAPIR_BINARY=$(realpath -e "$1" 2>/dev/null) || { echo "browser tests: $1 does not exist; \`make release\` builds it" >&2; exit 2; }
shift
export TAPIR_BINARY CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
[ -x "$CHROMIUM" ] || { echo "browser tests: no browser at $CHROMIUM; \`make tools-browser\` installs one, or set CHROMIUM" >&2; exit 2; }
[ -x "$ui/node_modules/.bin/vitest" ] || { echo "browser tests: $ui/node_modules is missing; \`make ui\` installs it" >&2; exit 2; }
[ -z "${TAPIR_PAGES:-}" ] || { TAPIR_PAGES=$(realpath -e "$TAPIR_PAGES"); export TAPIR_PAGES; }
TAPIR_SCREENSHOTS=$(realpath -m "${TAPIR_SCREENSHOTS:-$ui/../target/screenshots}"); export TAPIR_SCREENSHOTS

# Everything is kept below one folder; managers and browsers end with the process that started them. Should that one be
# killed, they are known by a process group of their own.
TAPIR_WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapir-browser.XXXXXX"); export TAPIR_WORK TMPDIR=$TAPIR_WORK
export XDG_CONFIG_HOME=$TAPIR_WORK XDG_CACHE_HOME=$TAPIR_WORK
tests=
cleanup() {
  [ -z "$tests" ] || { kill -TERM -- "-$tests" 2>/dev/null || true; sleep 0.2; kill -KILL -- "-$tests" 2>/dev/null || true; }
  rm -rf "$TAPIR_WORK"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

cd "$ui"
set -m
timeout --kill-after=10 "${BROWSER_SECONDS:-1800}" node_modules/.bin/vitest run --config vitest.browser.config.ts --configLoader runner "$@" </dev/null &
tests=$!
set +m
status=0
wait "$tests" || status=$?
[ "$status" != 124 ] || echo "browser tests: not done within ${BROWSER_SECONDS:-1800} s" >&2
exit "$status"
