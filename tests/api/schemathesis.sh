#!/usr/bin/env bash
# The API against its own document: a running manager with events of the demonstration, and Schemathesis with calls made from
# docs/openapi.json.
#
# usage: tests/api/schemathesis.sh TAPIR PYTHON
#
# PYTHON is in an environment with the packages of tests/requirements.txt (`make api-test` makes one). The seed and the number of calls are
# fixed: about a minute on a machine that does nothing else. Held: no 5xx, answers as the document says (status, content type, headers, schema), bad input is refused, methods that
# are not there say which are; and, by authentication.py, that every call refuses whom it should.
#
# Left out: the live stream, which does not end; Schemathesis' own test of tokens, which runs into the limit of wrong ones; and that all input that fits the schema is accepted, which the query language, times
# and cursors, each with a grammar of its own, cannot say in JSON Schema.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 5p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") python=$(realpath -s "$2")
document=$(realpath "$here/../../docs/openapi.json") attacks=$(realpath "$here/../../demo/attacks.pcap")
examples=${TAPIR_API_EXAMPLES:-8}
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-api.XXXXXX")
manager=''
trap '[ -z "$manager" ] || kill "$manager" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"

"$tapir" manager --listen 127.0.0.1:0 --data-dir data --ready-file ready >said 2>&1 &
manager=$!
for _ in $(seq 100); do [ -s ready ] && break; sleep 0.1; done
url=http://$(cat ready)
admin=$(sed -n 's/^admin token: //p' said) agent=$(sed -n 's/^agent token: //p' said)
"$tapir" -q scan --no-summary --evidence --format tapir "$attacks" |
  curl -fsS -H "Authorization: Bearer $agent" -H 'Content-Type: application/x-ndjson' --data-binary @- "$url/api/v1/ingest"
echo

"$python" "$here/authentication.py" "$document" "$url" "$admin" "$agent"

fuzz() {  # TOKEN CHECKS-LEFT-OUT OPTIONS…
  local token=$1 left_out=$2
  shift 2
  SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here timeout 900 "$(dirname "$python")/schemathesis" run "$document" --url "$url" -H "Authorization: Bearer $token" \
    --phases examples,coverage,fuzzing --max-examples "$examples" --seed 20261127 --generation-database none --request-timeout 15 \
    --checks all --exclude-checks "$left_out" --continue-on-failure --warnings off "$@" >fuzzed 2>&1 ||
    { status=$?; grep -v '^$' fuzzed | cut -c1-300 | tail -n 150
      [ $status -eq 124 ] && echo 'api-test: not done within 15 minutes' >&2 || echo 'api-test: the manager and docs/openapi.json disagree' >&2
      exit 1; }
  grep -E 'Test cases|generated|Tested:|Seed' fuzzed
}
fuzz "$admin" positive_data_acceptance,ignored_auth --exclude-path /api/v1/alerts/stream --exclude-path /api/v1/ingest --exclude-path /api/v1/heartbeat
# Of lines handed in, each is refused by itself, in an answer of 200.
fuzz "$agent" positive_data_acceptance,ignored_auth,negative_data_rejection --include-path /api/v1/ingest --include-path /api/v1/heartbeat
curl -fsS "$url/healthz" && echo
grep -iE 'panic|error' said && exit 1 || exit 0
