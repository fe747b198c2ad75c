#!/usr/bin/env bash
# How fast alerts are stored, found and shown.
#
# usage: bench/alerts.sh BINARY
#
#   ALERTS=1000000       events in the store ("1000000 10000000" measures both, one after the other)
#   BENCH_ATTACKS=200    attacks for the time from the packet to the page
#   BENCH_DIR=/tmp       where the stores are written (about 1 GB for a million events)
#
# For each size: the ingest rate into an empty SQLite store and its reads from inside the process; then a manager serves that
# store, and the API, the page in Chromium, and the manager's memory are measured. At the end, with an empty store: attacks
# over loopback, seen by `tapir watch`, delivered through its spool, and looked for in the live page.
# Needs root for the watch, Node and Chromium for the page; what is missing is said and left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1")
work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/tapir-bench-alerts.XXXXXX")
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
say() { printf '\n== %s\n' "$*"; }
# Waits until a file is there; says what it waited for if that takes longer than a minute.
appears() {  # FILE
  for _ in $(seq 600); do [ -e "$1" ] && return; sleep 0.1; done
  echo "bench: no $1 after a minute; see the logs beside it" >&2
  return 1
}

# A manager over a folder. Sets page, admin, agent.
serve() {  # FOLDER
  rm -f "$1/ready" "$1"/*-token.sha256
  "$tapir" manager --data-dir "$1" --listen 127.0.0.1:0 --ready-file "$1/ready" --keep-days 3650 --max-mib 1000000 \
    >"$1/tokens" 2>"$1/log" &
  pids+=($!)
  manager=$!
  appears "$1/ready"
  page=http://$(tr -d '\n' <"$1/ready")
  admin=$(sed -n 's/^admin token: //p' "$1/tokens")
  agent=$(sed -n 's/^agent token: //p' "$1/tokens")
}
stop() { kill "$manager"; wait "$manager" 2>/dev/null || true; }
memory() { awk '/^VmRSS|^VmHWM/ { printf "%s %d MiB  ", $1, $2 / 1024 } END { print "" }' "/proc/$manager/status"; }
browser=
if command -v node >/dev/null && [ -d "$root/ui/node_modules/playwright-core" ] && [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  browser=1
else
  say "no Node with ui/node_modules, or no Chromium: the page is left out (make ui tools-browser)"
fi

for count in ${ALERTS:-1000000}; do
  say "$count events: ingest, and reads inside the process"
  cargo run -q --release --locked -p tapir-store --example measure -- "$count" "$work/store" keep
  serve "$work/store"
  say "$count events: the API of a manager (ms: first, median of 9)"
  python3 "$here/alerts_api.py" "$page" "$admin"
  echo "manager: $(memory)"
  if [ -n "$browser" ]; then
    say "$count events: the page"
    TAPIR_URL=$page TAPIR_TOKEN=$admin node "$root/ui/dev/measure.mjs" inbox
    echo "manager: $(memory)"
  fi
  stop
  rm -rf "$work/store"
done

say "JavaScript"
find "$root/ui/dist/assets" -name '*.js' -print0 2>/dev/null | xargs -0 -r -n1 sh -c 'gzip -9c "$0" | wc -c' |
  awk '{ sum += $1 } END { printf "%d files, %.1f kB gzip in all\n", NR, sum / 1000 }'

if [ -n "$browser" ] && [ "$(id -u)" = 0 ]; then
  say "from the packet to the page, ${BENCH_ATTACKS:-200} attacks over loopback"
  mkdir "$work/live"
  serve "$work/live"
  printf '%s' "$agent" >"$work/agent"
  cat >"$work/tapir.toml" <<CONF
[delivery]
spool = "$work/spool"
[[delivery.sink]]
name = "page"
manager = { url = "$page", token_file = "$work/agent", http = { allow_local = true } }
CONF
  "$tapir" watch lo --config "$work/tapir.toml" --no-summary --quiet --ready-file "$work/watching" >/dev/null 2>"$work/watch.log" &
  pids+=($!)
  appears "$work/watching"
  TAPIR_URL=$page TAPIR_TOKEN=$admin node "$root/ui/dev/measure.mjs" latency "${BENCH_ATTACKS:-200}"
  stop
fi
