#!/usr/bin/env bash
# Tapir's output formats held against what others say of them: OCSF, ECS, EVE, CEF.
#
# usage: tests/formats/run.sh TAPIR PYTHON MODULES
#
# PYTHON has the packages of tests/requirements.txt, MODULES is a folder with those of package.json here (`make formats-test` sees to both).
# Documents: of demo/attacks.pcap as `scan` writes them; of the same with the names of a cluster, as a manager gives them out; and of every
# capture of the conformance corpus, with every anomaly, where that is there.
#
# One line a format and source, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 3 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") && python=$2 && modules=$(realpath -e "$3") || exit 2
attacks=$here/../../demo/attacks.pcap
shared=${TAPIR_SHARED:-$here/../../../shared}
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-formats.XXXXXX")
manager=''
trap '[ -z "$manager" ] || kill "$manager" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
passed=0 failed=0
formats=(ocsf ecs eve cef)

hold() {  # FORMAT WHAT FILE
  local check=("$python" "$here/$1.py")
  [ "$1" != ecs ] || check=(node "$here/ecs.mjs" "$modules")
  if "${check[@]}" <"$3" >"$work/said" 2>&1; then
    passed=$((passed + 1)); echo "ok      $1, $2: $(sed 's/^ok *[a-z]*: //' "$work/said")"
  else
    failed=$((failed + 1)); echo "FAILED  $1, $2"; head -n 20 "$work/said" | sed 's/^/        /'
  fi
}

for format in "${formats[@]}"; do
  "$tapir" -q scan --no-summary --evidence --format "$format" "$attacks" >"$work/plain.$format"
  hold "$format" 'demo' "$work/plain.$format"
done

# With names: a manager is the way from an event to any format.
"$tapir" manager --listen 127.0.0.1:0 --data-dir "$work/data" --ready-file "$work/ready" --public-url https://tapir.example >"$work/manager" 2>&1 &
manager=$!
for _ in $(seq 100); do [ -s "$work/ready" ] && break; sleep 0.1; done
api=http://$(cat "$work/ready")/api/v1
admin=$(sed -n 's/^admin token: //p' "$work/manager") agent=$(sed -n 's/^agent token: //p' "$work/manager")
"$tapir" -q scan --no-summary --evidence --format tapir "$attacks" | jq -c -s -f "$here/../dashboards/events.jq" >"$work/named"
curl -sS -o /dev/null -H "Authorization: Bearer $agent" -H 'Content-Type: application/x-ndjson' --data-binary "@$work/named" "$api/ingest"
for format in "${formats[@]}"; do
  for id in $(jq -r .id "$work/named"); do
    curl -sS -H "Authorization: Bearer $admin" "$api/events/$id?format=$format" | if [ "$format" = cef ]; then cat; echo; else jq -c .; fi
  done | sed '/^$/d' >"$work/named.$format"
  hold "$format" 'demo with names' "$work/named.$format"
done

if [ -d "$shared/conformance" ]; then
  rules=("$here/tls.rules")
  for name in dns icmp_info policy user_agents web_server; do rules+=("$shared/rules/et-open-suricata5/emerging-$name.rules"); done
  for format in "${formats[@]}"; do
    # Some of the captures are damaged on purpose, which is said on standard error and in the exit code.
    "$tapir" -q scan --no-summary --evidence --builtin-events -r "${rules[@]}" --enable all --format "$format" "$shared/conformance" \
      >"$work/corpus.$format" 2>/dev/null
    hold "$format" 'corpus' "$work/corpus.$format"
  done
else
  echo "skipped: no conformance corpus in $shared"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
