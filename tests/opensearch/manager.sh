#!/usr/bin/env bash
# `tapir manager` with its events on a real OpenSearch: taken in, found, decided about, and nothing lost when either side dies.
#
# usage: OPENSEARCH_URL=http://127.0.0.1:PORT tests/opensearch/manager.sh BINARY
#        tests/opensearch/run.sh tests/opensearch/manager.sh BINARY
#
# The manager reaches the server through a forwarder that is taken away for a while. Exit 0 only if every check holds.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${OPENSEARCH_URL:?where is the server? tests/opensearch/run.sh sets it}"
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-manager-opensearch.XXXXXX")
manager='' forwarder='' passed=0 failed=0
cleanup() {
  for pid in $manager $forwarder; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
cd "$work" || exit 1

check() {  # WHAT COMMAND…
  local what=$1
  shift
  if "$@"; then passed=$((passed + 1)); printf 'ok      %s\n' "$what"; else
    failed=$((failed + 1)); printf 'FAILED  %s\n' "$what"
    head -c 800 answer 2>/dev/null | sed 's/^/        answer: /'; echo; tail -n 5 log | sed 's/^/        log: /'
  fi
}
within() {  # SECONDS COMMAND…
  local end=$((SECONDS + $1))
  shift
  until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.2; done
}

# --- the server, through something that can be taken away ---------------------------------------

cat >forward.py <<'PY'
import socket, sys, threading
address = ("127.0.0.1", int(sys.argv[2]))
door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(door.getsockname()[1], flush=True)
def pour(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
while True:
    here = door.accept()[0]
    there = socket.create_connection(address)
    for pair in ((here, there), (there, here)):
        threading.Thread(target=pour, args=pair, daemon=True).start()
PY
door=0
forward() {
  rm -f door
  python3 forward.py "$door" "${OPENSEARCH_URL##*:}" >door 2>forward.log &
  forwarder=$!
  within 10 test -s door || return 1
  door=$(cat door)
}
unreach() { kill "$forwarder"; wait "$forwarder" 2>/dev/null; forwarder=''; }

# --- the manager ---------------------------------------------------------------------------------

begin() {
  rm -f ready
  "$tapir" manager --data-dir data --listen 127.0.0.1:0 --ready-file ready --keep-days 3650 \
    --store-url "http://127.0.0.1:$door" --store-prefix managertest >>tokens 2>>log &
  manager=$!
  within 60 test -s ready || return 1
  page=http://$(tr -d '\n' <ready)
  admin=$(sed -n 's/^admin token: //p' tokens | tail -n 1)
  agent=$(sed -n 's/^agent token: //p' tokens | tail -n 1)
}
end() {  # SIGNAL
  kill "-$1" "$manager"
  wait "$manager" 2>/dev/null
  code=$?
  manager=''
}
# The status of a call; its answer in the file `answer`.
call() {  # METHOD PATH TOKEN [BODY-FILE]
  local more=()
  [ $# -lt 4 ] || more=(--data-binary "@$4" -H "content-type: ${kind:-application/json}")
  status=$(curl -sS -o answer -D headers -w '%{http_code}' -m 60 -X "$1" -H "authorization: Bearer $3" "${more[@]}" "$page/api/v1/$2" 2>>log)
}
answers() { call "${@:2}"; [ "$status" = "$1" ]; }
holds() { jq -e "$1" answer >/dev/null; }  # FILTER
shows() { answers 200 GET "$1" "$admin" && holds "$2"; }  # PATH FILTER
hand_in() { kind=application/x-ndjson answers 200 POST ingest "$agent" events; }

"$tapir" -q scan --no-summary --evidence --format tapir "$here/../../demo/attacks.pcap" >events || exit 1
number=$(wc -l <events)
sids=$(jq -s '[.[].rule.sid] | unique | length' events)
[ "$number" -gt 0 ] || { echo "no event to hand in" >&2; exit 1; }

"$tapir" manager --data-dir nowhere --listen 127.0.0.1:0 --store-url http://127.0.0.1:9 >tokens 2>log &
manager=$!
check "without a server a manager waits, and says for whom" within 30 grep -q "nothing is served yet: the store's server 127.0.0.1:9 cannot be used now" log
end TERM
check "… and ends in order meanwhile" test "$code" = 0
check "… without having given out a token" test ! -s tokens

forward || { echo "no forwarder" >&2; exit 1; }
: >log
check "a manager opens its indices" begin
check "events are taken in" hand_in
check "… each of them" holds ".stored == $number and .duplicates == 0"
check "… and once, however often they come" hand_in
check "… (told as duplicates)" holds ".stored == 0 and .duplicates == $number"
check "groups are listed, their counts add up" within 10 shows "groups?from=2000-01-01T00:00:00Z&status=all" "([.items[].count] | add) == $number and ([.items[].sid] | unique | length) == $sids"
group=$(jq -r '.items[0].id' answer)
check "events are found by a query" within 10 shows "events?from=2000-01-01T00:00:00Z&status=all&q=severity%3E%3Dlow" ".items | length > 0"
event=$(jq -r '.items[0].id' answer)
check "one is shown with its bytes" shows "events/$event" '.event.evidence != null or .evidence != null'
check "a bad query is refused with its place" answers 400 GET "groups?q=severity%20%3D%3D%3D" "$admin"
check "… as a number" holds '.offset != null'
jq -n --arg id "$group" '{ids: [$id], action: "dismiss", reason: "expected"}' >dismiss
check "a group is dismissed" answers 200 POST groups/actions "$admin" dismiss
check "… and is not among the open" within 10 shows "groups?from=2000-01-01T00:00:00Z&status=open" "[.items[].id] | index(\"$group\") == null"

end KILL
check "killed, it begins again over the same indices" begin
check "the events are there" within 10 shows "groups?from=2000-01-01T00:00:00Z&status=all" "([.items[].count] | add) == $number"
check "the dismissal is" within 10 shows "groups/$group" '(.status // .group.status) == "dismissed"'
check "what comes again is still known" hand_in
check "… by each of its ids" holds ".stored == 0 and .duplicates == $number"

unreach
check "without its server a list is 503" answers 503 GET "groups?from=now-1h" "$admin"
check "… with a reason and a time to come again" grep -qi '^retry-after: [0-9]' headers
kind=application/x-ndjson call POST ingest "$agent" events
check "events are not taken: the agent keeps them" test "$status" = 503 -o "$status" = 429
healthy() { [ "$(curl -sS -o /dev/null -w '%{http_code}' -m 10 "$page/healthz")" = "$1" ]; }
check "the manager says that it does not work" healthy 503
forward || { echo "no forwarder" >&2; exit 1; }
check "with it, it goes on" within 30 shows "groups?from=2000-01-01T00:00:00Z&status=all" "([.items[].count] | add) == $number"
sed "s/\"id\":\"scan-/\"id\":\"later-/" events >more && mv more events
check "and takes in what is new" within 30 hand_in
check "… all of it" holds ".stored == $number or .duplicates == $number"
check "and says that it works" within 10 healthy 200
end TERM
check "it ends in order" test "$code" = 0
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
