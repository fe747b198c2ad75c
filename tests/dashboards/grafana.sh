#!/usr/bin/env bash
# Grafana's dashboard against a running manager, scraped by a real Prometheus.
#
# usage: tests/dashboards/grafana.sh TAPIR PYTHON
#
# PYTHON is one with the packages of tests/requirements.txt (`make` has it in its build directory). Prometheus is Debian's; when it is
# not installed its package is unpacked in the build directory, so that no service appears on this machine. All on loopback, all ended.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") python=$2
board=$here/../../deploy/dashboards/grafana.json attacks=$here/../../demo/attacks.pcap
build=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}/prometheus")
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-grafana.XXXXXX")
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap finish EXIT
trap 'exit 130' INT TERM HUP

python3 "$here/../../deploy/dashboards/make.py" --check

prometheus=$(command -v prometheus || true)
if [ -z "$prometheus" ]; then
  prometheus=$build/usr/bin/prometheus
  if [ ! -x "$prometheus" ]; then
    mkdir -p "$build"
    # The lists of packages may be missing on a new machine.
    (cd "$work" && { apt-get -qq download prometheus 2>/dev/null || { apt-get -qq update && apt-get -qq download prometheus; }; } &&
      dpkg -x prometheus_*.deb "$build")
  fi
fi

"$tapir" manager --listen 127.0.0.1:0 --data-dir "$work/data" --ready-file "$work/ready" >"$work/manager" 2>&1 &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/ready" ] && break; sleep 0.1; done
address=$(cat "$work/ready")
admin=$(sed -n 's/^admin token: //p' "$work/manager") agent=$(sed -n 's/^agent token: //p' "$work/manager")

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: tapir-manager
    static_configs: [{targets: ["$address"]}]
YAML
"$prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$port" \
  >"$work/prometheus" 2>&1 &
pids+=($!)
for _ in $(seq 100); do curl -fs -o /dev/null "http://127.0.0.1:$port/-/ready" && break; sleep 0.2; done

# Something to count, for as long as a rate looks back: events, repeated ones, a line that is none, sign-ins right and wrong.
"$tapir" -q scan --no-summary --format tapir "$attacks" >"$work/events"
echo '{}' >>"$work/events"
api=http://$address/api/v1
for _ in $(seq 10); do
  curl -sf -o /dev/null -H "Authorization: Bearer $agent" -H 'Content-Type: application/x-ndjson' --data-binary "@$work/events" "$api/ingest"
  curl -sf -o /dev/null -H "Authorization: Bearer $admin" "$api/groups"
  sleep 1
done
curl -s -o /dev/null -H 'Content-Type: application/json' -d "{\"token\":\"$admin\"}" "$api/session"
curl -s -o /dev/null -H 'Content-Type: application/json' -d '{"token":"wrong"}' "$api/session"
sleep 2
"$python" "$here/grafana.py" "$board" "http://$address/metrics" "http://127.0.0.1:$port" ||
  { status=$?; tail -n 5 "$work/prometheus" "$work/manager" >&2; exit $status; }
