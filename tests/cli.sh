#!/usr/bin/env bash
# The command line as a stranger meets it: what goes right, what goes wrong, and what is said then.
#
# usage: tests/cli.sh BINARY
#
# One line per check, then "N passed, N failed". Checks that this machine cannot make (no root, no python3)
# are counted as skipped and say why. Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
attacks=$here/../demo/attacks.pcap
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work" || exit 1
unset NO_COLOR TAPIR_CONFIG TAPIR_SERVER TAPIR_TOKEN TAPIR_TOKEN_FILE DISPLAY WAYLAND_DISPLAY
passed=0 failed=0 skipped=0 code=0

# --- how a check is made ------------------------------------------------------------------------

run() { timeout 60 "$tapir" "$@" >out 2>err; code=$?; }
verdict() {  # WHAT STATUS
  if [ "$2" = 0 ]; then
    passed=$((passed + 1)); printf 'ok      %s\n' "$1"
  else
    failed=$((failed + 1)); printf 'FAILED  %s\n' "$1"
    printf '        exit %s\n' "$code"
    head -c 600 out | sed 's/^/        out: /'
    head -c 600 err | sed 's/^/        err: /'
  fi
}
check() {  # WHAT CONDITION…  every condition is a command line that must succeed
  local what=$1 condition
  shift
  for condition in "$@"; do
    eval "$condition" || { verdict "$what (not so: $condition)" 1; return; }
  done
  verdict "$what" 0
}
skip() { skipped=$((skipped + 1)); printf 'skipped %s: %s\n' "$1" "$2"; }
exits() { [ "$code" = "$1" ]; }
says() { grep -qiE -- "$1" err; }         # on standard error
prints() { grep -qE -- "$1" out; }        # on standard output
alerts() { [ "$(grep -c '\[\*\*\] \[1:' out)" = "$1" ]; }
silent() { [ ! -s err ]; }
plain() { ! grep -q $'\e' out err; }

# --- material -----------------------------------------------------------------------------------

cp "$attacks" all.pcap || exit 1
: >empty.pcap
head -c 6000 all.pcap >cut.pcap
{ head -c 20 all.pcap; printf '\x99\x02\0\0'; tail -c +25 all.pcap; } >link.pcap
echo 'this is no capture, though it is long enough to be one' >text.pcap
gzip -c all.pcap >all.pcap.gz
mkdir none some
cp all.pcap some/one.pcap; cp all.pcap.gz some/two.pcap.gz
echo 'alert tcp any any -> any any (msg:"body"; content:"smk=1234"; sid:7; rev:1;)' >good.rules
{ cat good.rules; echo 'alert tcp any any -> any any (msg:"newer"; content:"smk=1234"; sid:7; rev:2;)'; } >twice.rules
{ cat good.rules; echo 'alert tcp any any -> any any (msg:"b"; content:"x"; asn1:print; sid:8;)'; } >partly.rules
printf 'alert tcp any any -> any any (msg:"caf\xe9"; content:"smk="; sid:1; rev:1;)\n' >latin.rules
{ cat good.rules; echo 'alert tcp $NO_SUCH any -> any any (msg:"a"; content:"smk="; sid:2;)'; } >variable.rules
{ echo 'alert tcp any any -> any any (msg:"c"; content:"smk="; sid:3'; } >open.rules
echo '# alert tcp any any -> any any (msg:"off"; content:"smk=1234"; metadata:policy max-detect-ips drop; sid:4; rev:1;)' >off.rules
printf 'alert tcp any any -> any $HTTP_PORTS (msg:"old form"; flow:to_server; content:"/a"; nocase; http_uri; metadata:service http; sid:9; rev:1;)\n' >old.rules

# --- usage --------------------------------------------------------------------------------------

run --version;            check "--version names the program" 'exits 0' 'prints "^tapir [0-9]"'
run --help;               check "--help lists the commands and the exit codes" 'exits 0' 'prints "scan" ' 'prints "Exit codes"'
run;                      check "no command is wrong usage" 'exits 2' 'says "usage"'
run scan;                 check "scan without a capture is wrong usage" 'exits 2' 'says "no capture given"'
run scan --nonsense x;    check "an unknown flag is wrong usage" 'exits 2' 'says "nonsense"'
run scan --format xml all.pcap; check "an unknown format lists the known ones" 'exits 2' 'says "fast, json, eve, csv, tapir, calico, ecs, ocsf, cef, table"'

run agent;                check "an agent outside of a cluster says what it needs" 'exits 1' 'says "not inside of a cluster" ' 'says "--resources for a host without Kubernetes"'
run agent --resources nowhere --health 127.0.0.1:0; check "an agent's folder that is not there is named" 'exits 1' 'says "nowhere"'
run agent --resources . --health 127.0.0.1:0 --interface-prefix much-too-long; check "a prefix that cannot be one is refused" 'exits 1' 'says "interface-prefix" ' 'says "much-too-long"'
run agent --kubeconfig nope.yaml --health 127.0.0.1:0; check "a kubeconfig that is not there is named" 'exits 1' 'says "nope.yaml"'
run agent --resources . --health 192.0.2.1:9097; check "an address that is not ours is told" 'exits 1' 'says "--health 192.0.2.1:9097"'

# --- captures -----------------------------------------------------------------------------------

run scan all.pcap;        check "a capture is inspected" 'exits 0' 'alerts 10' 'prints "1:21562:1"' 'says "10 alerts by 10 rules"' 'says "81 packets"'
run scan nope.pcap;       check "a missing file is named" 'exits 1' 'says "nope.pcap" ' 'says "no such file"'
run scan empty.pcap;      check "an empty file is not a capture" 'exits 1' 'says "empty.pcap" ' 'says "not a capture|empty"'
run scan text.pcap;       check "a text is not a capture" 'exits 1' 'says "not a capture file"'
run scan cut.pcap;        check "a truncated capture: what came before is inspected, the offset is named, exit 1" \
  'exits 1' 'alerts 5' 'says "byte 5982"' 'says "47 packets"'
run scan link.pcap;       check "an unknown link type is an error" 'exits 1' 'says "link type"'
run scan nope.pcap all.pcap; check "a bad file does not hide the next" 'exits 1' 'alerts 10'
run scan all.pcap.gz;     check "gzip is read" 'exits 0' 'alerts 10'
head -c 2500 all.pcap.gz >cut.pcap.gz
run scan cut.pcap.gz;     check "a truncated gzip: what came before is inspected, exit 1" 'exits 1' 'prints "1:21562:1"' 'says "cut.pcap.gz"'
if command -v zstd >/dev/null; then
  zstd -q all.pcap
  run scan all.pcap.zst;  check "zstd is read" 'exits 0' 'alerts 10'
else
  skip "zstd is read" "zstd is not installed"
fi
run scan - <all.pcap;     check "- reads standard input" 'exits 0' 'alerts 10'
run scan - <all.pcap.gz;  check "- reads gzip from standard input" 'exits 0' 'alerts 10'
run scan - </dev/null;    check "- with nothing on it is an error" 'exits 1' 'says "."'
run scan some;            check "a directory is walked" 'exits 0' 'alerts 20'
run scan none;            check "a directory without captures is an error" 'exits 1' 'says "no capture"'
run scan all.pcap cut.pcap all.pcap.gz; mv out one_worker
run scan -w 2 all.pcap cut.pcap all.pcap.gz; check "two workers print the same as one" 'exits 1' 'cmp -s out one_worker'

# --- rules --------------------------------------------------------------------------------------

run scan all.pcap -r good.rules;     check "rules from a file replace the built-in ones" 'exits 0' 'prints "1:7:1"' '! prints "21562"'
run scan all.pcap -r nope.rules;     check "a missing rules file is named" 'exits 1' 'says "nope.rules"' 'says "no such file"'
run scan all.pcap -r good.rules nope.rules --strict; check "--strict: a missing rules file is fatal" 'exits 1' '[ ! -s out ]'
run scan all.pcap -r latin.rules;    check "bytes that are not UTF-8 are shown with line and column" 'exits 1' 'says "UTF-8"' 'says "latin.rules:1:39"'
run scan all.pcap -r variable.rules; check "an unknown variable is named, the other rules run" 'exits 0' 'says "NO_SUCH"' 'says "variable.rules:2:11"' 'says "--set"' 'prints "1:7:1"'
run scan all.pcap -r variable.rules --set NO_SUCH=10.0.0.0/8; check "--set defines a variable" 'exits 0' '! says "error"' 'prints "1:2:"'
run scan all.pcap --set HOME_NET=banana; check "a variable that is no address is an error" 'exits 1' 'says "banana"'
run scan all.pcap -r open.rules;     check "a rule that never ends is an error" 'exits 1' 'says "open.rules:1"'
run scan all.pcap -r partly.rules;   check "a rule that cannot be used is named and left out" 'exits 0' 'prints "1:7:1"' 'says "asn1"' 'says "1 skipped"'
run scan all.pcap -r partly.rules --strict; check "--strict makes it a failure" 'exits 1' '[ ! -s out ]' 'says "strict"'
run scan all.pcap -r twice.rules;    check "of a sid given twice the higher revision runs" 'exits 0' 'prints "1:7:2"' '! prints "1:7:1"'
run rules check twice.rules --warnings; check "a sid given twice is told with both places" 'exits 0' 'grep -qE "twice.rules:2:1" out err' 'grep -qE "twice.rules:1:1" out err'
run scan all.pcap -r off.rules;      check "a file with disabled rules only says how to enable them" 'exits 1' 'says "--enable"'
for word in all policy:max-detect-ips 4; do
  run scan all.pcap -r off.rules --enable "$word"; check "--enable $word" 'exits 0' 'prints "1:4:1"'
done
run scan all.pcap --enable banana;   check "--enable of anything else is an error" 'exits 1' 'says "policy:NAME"'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  install -m 000 good.rules closed.rules
  chmod 755 . && cp "$tapir" ./binary && chmod 755 binary && chmod 644 all.pcap
  timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups ./binary scan all.pcap -r closed.rules >out 2>err; code=$?
  check "rules that may not be read are named" 'exits 1' 'says "closed.rules"' 'says "permission denied"'
else
  skip "rules that may not be read are named" "needs root and setpriv"
fi

run rules check;                   check "rules check: the built-in rules are clean" 'exits 0' 'grep -qE "0 errors, 0 warnings" out err'
run rules check partly.rules;      check "rules check names what it cannot use" 'grep -qE "asn1" out err' 'grep -qE "1:8" out err'
run rules check partly.rules --strict; check "rules check --strict fails" 'exits 1'
run rules check partly.rules --json; check "rules check --json gives a finding a line" 'prints "^\{.*asn1.*\}$"'
run rules check nope.rules;        check "rules check of a missing file fails" 'exits 1' 'grep -q "nope.rules" out err'
run rules list;                    check "rules list has sid, state and message" 'exits 0' 'prints "1:21562 +on +alert +trojan-activity +TAPIR"'
run rules list off.rules;          check "rules list shows disabled rules" 'prints "1:4 +off"'
run rules show 21562;              check "rules show prints the rule" 'exits 0' 'prints "^alert http .*sid:21562; rev:1; \)$"'
run rules show 1:21562;            check "rules show takes gid:sid" 'exits 0' 'prints "sid:21562"'
run rules show 5;                  check "rules show of an unknown sid fails" 'exits 1' 'says "1:5"'
run rules show banana;             check "rules show of a word fails" 'exits 1' 'says "sid"'
run rules explain 21562;           check "rules explain says buffers, fast pattern and group" \
  'exits 0' 'prints "http_client_body"' 'prints "fast pattern"' 'prints "group: service http"'
run rules convert old.rules;       check "rules convert turns the old form into the new" \
  'exits 0' 'prints "http_uri; content:\"/a\",nocase;"' 'prints "service:http"'
mv out new.rules; run rules convert new.rules; check "rules convert leaves the new form as it is" 'exits 0' 'cmp -s out new.rules'

# --- outputs ------------------------------------------------------------------------------------

run scan -q --format fast all.pcap
check "fast: every line is an alert line" 'exits 0' \
  '! grep -qvE "^[0-9/]{5}-[0-9:.]{15} \[\*\*\] \[[0-9]+:[0-9]+:[0-9]+\] \".+\" \[\*\*\] (\[Classification: [^]]+\] )?\[Priority: [0-9]+\] \{[A-Z]+\} [^ ]+ -> [^ ]+$" out'
for format in json eve tapir calico ecs ocsf; do
  run scan -q --format $format --evidence all.pcap
  check "$format: one object a line" 'exits 0' '[ "$(wc -l <out)" = 10 ]' '! grep -qvE "^\{.*\}$" out'
  if command -v python3 >/dev/null; then
    python3 - "$format" <<'PY' 2>err; code=$?
import json, sys
wanted = {
    "json": ["timestamp", "pkt_num", "proto", "pkt_gen", "dir", "src_addr", "src_port", "dst_addr", "dst_port",
             "service", "gid", "sid", "rev", "rule", "msg", "class", "priority", "action", "community_id"],
    "eve": ["timestamp", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "alert", "flow_id",
            "community_id"],
    "tapir": ["id", "time", "rule", "severity", "level", "group", "source", "destination", "flow", "evidence",
              "visibility", "community_id"],
    "calico": ["id", "time", "type", "description", "origin", "severity", "source_ip", "dest_ip", "record", "tapir"],
    "ecs": ["@timestamp", "ecs", "event", "rule", "source", "destination", "network", "message"],
    "ocsf": ["class_uid", "type_uid", "time", "severity_id", "finding_info", "evidences", "metadata"],
}[sys.argv[1]]
for line in open("out"):
    record = json.loads(line)
    missing = [name for name in wanted if name not in record]
    assert not missing, missing
PY
    check "$format: parses and has its fields" 'exits 0'
  else
    skip "$format: parses and has its fields" "python3 is not installed"
  fi
done
run scan -q --format csv all.pcap;   check "csv: one line an alert, as many fields each" \
  'exits 0' '[ "$(wc -l <out)" = 10 ]' '[ "$(awk -F, "{print NF}" out | sort -u | wc -l)" = 1 ]' 'prints "1:21562:1"'
run scan -q --format cef --evidence all.pcap; check "cef: a header of seven fields" \
  'exits 0' '[ "$(grep -cE "^CEF:0\|Tapir\|tapir\|[^|]+\|[0-9]+:[0-9]+\|.*\|[0-9]+\|rt=[0-9]+ " out)" = 10 ]'
run scan -q --format table all.pcap; check "table: a heading and a row an alert" 'exits 0' 'head -1 out | grep -q "RULE"' '[ "$(grep -c "1:[0-9]*:1" out)" = 10 ]'
run scan all.pcap;                   check "no colours into a file" 'plain'
NO_COLOR=1 run scan all.pcap -r partly.rules; check "no colours with NO_COLOR" 'plain'
if command -v script >/dev/null && [ -w /dev/ptmx ]; then
  script -qec "'$tapir' scan '$work/all.pcap' -r '$work/partly.rules'" /dev/null >out 2>err </dev/null; code=$?
  check "colours on a terminal" 'exits 0' 'grep -q $'"'\\e'"' out'
  NO_COLOR=1 script -qec "'$tapir' scan '$work/all.pcap' -r '$work/partly.rules'" /dev/null >out 2>err </dev/null; code=$?
  check "no colours on a terminal with NO_COLOR" 'exits 0' 'plain'
else
  skip "colours on a terminal" "script is not installed"
fi
run scan -q all.pcap;                check "--quiet says nothing but alerts" 'exits 0' 'alerts 10' 'silent'
run scan -q nope.pcap;               check "--quiet still says errors" 'exits 1' 'says "nope.pcap"'
run scan --no-summary all.pcap;      check "--no-summary leaves the summary out" 'exits 0' '! says "alerts by"'
run scan --stats all.pcap;           check "--stats prints counters" 'exits 0' 'says "81 +packets"' 'says "http_requests"'
run scan --log-format json all.pcap; check "--log-format json: every message is an object" 'exits 0' '! grep -qvE "^\{.*\}$" err'
run scan --exit-code all.pcap;       check "--exit-code: 3 with alerts" 'exits 3' 'alerts 10'
run scan --exit-code all.pcap -r open.rules; check "--exit-code: an error stays 1" 'exits 1'
echo 'alert tcp any any -> any any (msg:"never"; content:"not in there"; sid:5; rev:1;)' >never.rules
run scan --exit-code all.pcap -r never.rules; check "--exit-code: 0 without alerts" 'exits 0' 'alerts 0'
run scan all.pcap --pcap-out alerted.pcap -r good.rules; check "--pcap-out writes the alerted conversation" 'exits 0' '[ -s alerted.pcap ]' '[ "$(wc -c <alerted.pcap)" -lt "$(wc -c <all.pcap)" ]'
run scan -q alerted.pcap -r good.rules; check "what --pcap-out wrote raises the same" 'exits 0' 'prints "1:7:1"'
run scan --builtin-events all.pcap;  check "--builtin-events runs" 'exits 0' 'prints "1:21562:1"'
timeout 60 "$tapir" scan all.pcap >/dev/full 2>err; code=$?; : >out
check "a full disk under the alerts is an error" 'exits 1' 'says "no space left"'
run scan --pcap-out /dev/full all.pcap; check "a full disk under --pcap-out is an error" 'exits 1' 'says "no space left"'
for _ in 1 2 3 4 5 6 7 8; do cp all.pcap "some/more$RANDOM$RANDOM.pcap"; done
timeout 60 "$tapir" scan some 2>err | head -1 >out; code=${PIPESTATUS[0]}
check "a closed pipe ends it quietly" 'exits 0' 'alerts 1' '! says "panic|error"'

# --- configuration, completions, manual ---------------------------------------------------------

echo 'rules = ["good.rules"]' >tapir.toml
run scan --config tapir.toml all.pcap; check "--config names the rules" 'exits 0' 'prints "1:7:1"'
TAPIR_CONFIG=tapir.toml run scan all.pcap; check "TAPIR_CONFIG does, too" 'exits 0' 'prints "1:7:1"'
echo 'foo = 1' >bad.toml
run scan --config bad.toml all.pcap; check "an unknown key in the configuration is named" 'exits 1' 'says "foo"' 'says "bad.toml"'
run scan --config nope.toml all.pcap; check "a missing configuration is named" 'exits 1' 'says "nope.toml"'
for shell in bash zsh fish; do
  run completions $shell;            check "completions $shell" 'exits 0' 'prints "tapir"'
done
run completions bash;                check "completions bash is a script that bash reads" 'bash -n out'
run man pages;                       check "man writes a page for every command" 'exits 0' '[ -s pages/tapir.1 ]' '[ -s pages/tapir-scan.1 ]' '[ -s pages/tapir-rules-explain.1 ]'
run man /dev/null/pages;             check "man into an impossible place is an error" 'exits 1' 'says "/dev/null/pages"'

# --- live ---------------------------------------------------------------------------------------

run watch;                           check "watch without an interface is wrong usage" 'exits 2'
run watch nosuch0;                   check "an interface that does not exist is named" 'exits 1' 'says "nosuch0"'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  timeout 60 setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$tapir" watch lo >out 2>err; code=$?
  check "without the permission the missing capability is named" 'exits 1' 'says "CAP_NET_RAW"'
elif [ "$(id -u)" != 0 ]; then
  run watch lo;                      check "without the permission the missing capability is named" 'exits 1' 'says "CAP_NET_RAW"'
else
  skip "without the permission the missing capability is named" "setpriv is not installed"
fi
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  # As the init container of agents does, which is root with CAP_CHOWN and without the right to look into another's directory.
  mkdir -p node/rules node/spool
  : >node/rules/copy
  chmod 700 node/rules
  chown -R 65532:65532 node
  give() { timeout 60 setpriv --bounding-set=-all,+chown --inh-caps=-all "$tapir" prepare-node node "--user=$1" >out 2>err; code=$?; }
  owners() { [ "$(find node -printf '%U:%G\n' | sort -u)" = "$1:$1" ]; }
  give 0
  check "a node's directory goes to root, with what only its owner may look into" 'exits 0' 'owners 0'
  give 65532
  check "and back" 'exits 0' 'owners 65532'
  chown 0:0 node node/rules
  give 0
  check "and goes there wholly where that was broken off" 'exits 0' 'owners 0'
else
  for what in "a node's directory goes to root, with what only its owner may look into" "and back" "and goes there wholly where that was broken off"; do
    skip "$what" "needs root and setpriv"
  done
fi
if [ "$(id -u)" = 0 ]; then
  run watch lo --duration 1 --ready-file ready; check "watch ends after --duration with its counts" 'exits 0' '[ -e ready ]' 'says "packets seen, .* dropped"'
else
  skip "watch ends after --duration with its counts" "needs root"
fi

# --- delivery -----------------------------------------------------------------------------------

cat >delivery.toml <<'TOML'
[delivery]
spool = "spool"
node = "node-a"
[[delivery.sink]]
name = "log"
file = { path = "delivered.log", format = "calico" }
[[delivery.sink]]
name = "away"
webhook = { url = "http://127.0.0.1:9/", consumer = "Generic", http = { allow_local = true } }
TOML
sed 's/webhook = .*/file = { path = "late.log", format = "cef" }/' delivery.toml >later.toml
printf '[delivery]\nspool = "spool"\n[[delivery.sink]]\nname = "x"\notlp = { url = "ftp://x" }\n' >wrong.toml
# A query for a mining pool's name, in a network namespace of its own: the alert goes to the spool, and from there to the sinks.
attacked() {  # CONFIG
  rm -f ready
  timeout 60 unshare -n bash -c '
    ip link set lo up
    "$0" watch lo --config "$1" --format tapir --duration 20 --max-alerts 1 --ready-file ready >out 2>err & pid=$!
    for _ in {1..200}; do [ -e ready ] && break; sleep 0.05; done
    printf "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08nanopool\x03org\x00\x00\x01\x00\x01" >/dev/udp/127.0.0.1/53
    wait $pid' "$tapir" "$1"; code=$?
}
if [ "$(id -u)" = 0 ] && command -v unshare >/dev/null && command -v ip >/dev/null; then
  attacked delivery.toml
  check "delivery: an alert reaches the sink that is there and waits for the one that is not" 'exits 0' \
    'says "sink log: 1 delivered"' 'says "sink away: 0 delivered, 1 waiting for the next start; last error: "' \
    '[ "$(grep -c "\"snort_signature_id\":\"3000107\"" delivered.log)" = 1 ]' 'grep -q "\"id\":\"node-a-[0-9]*-0\"" delivered.log'
  attacked later.toml
  check "delivery: the next start delivers what waited" 'exits 0' 'says "sink away: 2 delivered"' \
    '[ "$(grep -c "^CEF:0|Tapir|tapir|" late.log)" = 2 ]' '[ "$(wc -l <delivered.log)" = 2 ]'
else
  skip "delivery: an alert reaches the sink that is there and waits for the one that is not" "needs root, unshare and ip"
  skip "delivery: the next start delivers what waited" "needs root, unshare and ip"
fi
if [ "$(id -u)" = 0 ]; then
  run watch lo --duration 1 --config wrong.toml; check "delivery: a sink that cannot be is named before anything runs" \
    'exits 1' 'says "sink \"x\": .*http://"'
else
  skip "delivery: a sink that cannot be is named before anything runs" "needs root"
fi

# --- manager ------------------------------------------------------------------------------------

# The whole way in a network namespace of its own: packet, alert, spool, manager, API; and the page.
managed() {
  rm -f ready
  timeout 90 unshare -n bash -c '
    ip link set lo up
    "$0" manager --listen 127.0.0.1:0 --data-dir managed --ready-file address >tokens 2>manager.err & manager=$!
    for _ in {1..200}; do [ -e address ] && break; sleep 0.05; done
    at=http://$(cat address)
    sed -n "s/^agent token: //p" tokens >agent-token
    admin=$(sed -n "s/^admin token: //p" tokens)
    printf "[delivery]\nspool = \"managed/spool\"\n[[delivery.sink]]\nname = \"page\"\nmanager = { url = \"%s\", token_file = \"agent-token\", http = { allow_local = true } }\n" "$at" >managed.toml
    "$0" watch lo --config managed.toml --duration 20 --max-alerts 1 --ready-file ready >out 2>err & pid=$!
    for _ in {1..200}; do [ -e ready ] && break; sleep 0.05; done
    printf "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08nanopool\x03org\x00\x00\x01\x00\x01" >/dev/udp/127.0.0.1/53
    wait $pid; status=$?
    curl -s -H "Authorization: Bearer $admin" "$at/api/v1/groups" >groups
    curl -s -o page -w "%{http_code}" "$at/" >page-code

    # Quiet: what is hidden is on no standard output and in no file, but kept in the store.
    printf "[[delivery.sink]]\nname = \"file\"\nfile = { path = \"managed/alerts.ndjson\" }\n" >>managed.toml
    "$0" watch lo --config managed.toml --duration 30 --max-alerts 1 --ready-file again >quiet.out 2>quiet.err & pid=$!
    for _ in {1..200}; do [ -e again ] && break; sleep 0.05; done
    ask() { curl -s -H "Authorization: Bearer $admin" -H "Content-Type: application/json" "$at/api/v1/$@"; }
    ask tuning -d "{\"gid\": 1, \"sid\": 3000107, \"mode\": \"hide\", \"reason\": \"tests\"}" >suppression
    for _ in {1..100}; do ask tuning >tuning; grep -q "\"nodes\":1,\"of\":1" tuning && break; sleep 0.05; done
    printf "\x12\x35\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x08nanopool\x03org\x00\x00\x01\x00\x01" >/dev/udp/127.0.0.1/53
    for _ in {1..100}; do ask "events?q=is:suppressed" >hidden; grep -q 3000107 hidden && break; sleep 0.05; done
    ask nodes >nodes
    printf "\x12\x36\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0bmoneroocean\x06stream\x00\x00\x01\x00\x01" >/dev/udp/127.0.0.1/53
    wait $pid || status=$?
    curl -s -o /dev/null -w "%{http_code}" "$at/api/v1/groups" >denied-code
    kill $manager; wait $manager || echo "manager ended with $?" >>err
    exit $status' "$tapir"; code=$?
}
# The rule fires on what carries every delivery. Two strangers say it, too, one before and one after the deliveries.
looped() {
  printf 'alert tcp any any -> any any ( msg:"a delivery"; flow:to_server,established; content:"application/x-ndjson"; sid:9100001; )\n' >loop.rules
  timeout 90 unshare -n bash -c '
    ip link set lo up
    "$0" manager --listen 127.0.0.1:0 --data-dir looped --ready-file loop-address >loop-tokens 2>loop.manager & manager=$!
    for _ in {1..200}; do [ -e loop-address ] && break; sleep 0.05; done
    at=http://$(cat loop-address)
    sed -n "s/^agent token: //p" loop-tokens >agent-token
    admin=$(sed -n "s/^admin token: //p" loop-tokens)
    printf "[delivery]\nspool = \"looped/spool\"\n[[delivery.sink]]\nname = \"page\"\nmanager = { url = \"%s\", token_file = \"agent-token\", http = { allow_local = true } }\n" "$at" >looped.toml
    "$0" watch lo --rules loop.rules --config looped.toml --duration 12 --stats --format json --ready-file loop-ready >out 2>err & pid=$!
    for _ in {1..200}; do [ -e loop-ready ] && break; sleep 0.05; done
    for stranger in 1 2; do
      curl -s -o /dev/null -H "Content-Type: application/x-ndjson" "$at/stranger/$stranger"
      # Delivered, and time for what would come of it.
      for _ in {1..100}; do
        curl -s -H "Authorization: Bearer $admin" "$at/api/v1/events" >loop-events
        [ "$(grep -o "\"sid\":9100001" loop-events | wc -l)" -ge $stranger ] && break; sleep 0.05
      done
      sleep 1
    done
    curl -s -H "Authorization: Bearer $admin" "$at/api/v1/blind-spots" >blind-spots
    wait $pid; status=$?
    kill $manager; wait $manager || echo "manager ended with $?" >>err
    exit $status' "$tapir"; code=$?
}
if [ "$(id -u)" = 0 ] && command -v unshare >/dev/null && command -v ip >/dev/null && command -v curl >/dev/null; then
  looped
  check "delivery: a watch does not inspect its own deliveries, and all else that goes there" 'exits 0' \
    '[ "$(wc -l <out)" = 2 ]' 'says "sink page: 2 delivered"' 'says "[1-9] +packets_own "' 'grep -q "\"reason\":\"packets_own\"" blind-spots'
  managed
  check "manager: an alert of a watch is a group of its API" 'exits 0' 'says "sink page: 1 delivered"' \
    'grep -q "\"sid\":3000107" groups' 'grep -q "\"count\":1[,}]" groups'
  check "manager: a link to sign in stands beside the tokens" 'grep -qE "^sign in, once: http://127.0.0.1:[0-9]+/alerts#sign-in=[0-9a-f]{64}$" tokens'
  check "manager: the page is served, the API asks for a token" '[ "$(cat page-code)" = 200 ]' 'grep -qi tapir page' \
    '[ "$(cat denied-code)" = 401 ]' '! says "manager ended"'
  check "manager: a suppression holds on the node, in its sinks, and is proved" \
    'grep -q "\"nodes\":1,\"of\":1" tuning' 'grep -q "\"suppressed_by\":\"s-1\"" hidden' '! grep -q 3000107 quiet.out' \
    '! grep -q 3000107 managed/alerts.ndjson' '[ -s quiet.out ] && [ -s managed/alerts.ndjson ]' 'grep -q "\"packets\":[1-9]" nodes' \
    'grep -q "sink file: 1 delivered, 1 left out" quiet.err'
else
  skip "delivery: a watch does not inspect its own deliveries, and all else that goes there" "needs root, unshare, ip and curl"
  skip "manager: a suppression holds on the node, in its sinks, and is proved" "needs root, unshare, ip and curl"
  skip "manager: an alert of a watch is a group of its API" "needs root, unshare, ip and curl"
  skip "manager: a link to sign in stands beside the tokens" "needs root, unshare, ip and curl"
  skip "manager: the page is served, the API asks for a token" "needs root, unshare, ip and curl"
fi

# --- the page of a capture, and its alerts on the command line -----------------------------------

# A capture on a page of its own; `tapir alerts` asks that manager.
mkdir -p scratch
TMPDIR=$work/scratch "$tapir" scan --serve --no-summary all.pcap >served.out 2>served.err & serving=$!
for _ in {1..200}; do grep -q '^admin token' served.err && break; sleep 0.05; done
sed -n 's/^admin token.*: //p' served.err >token
link=$(sed -n 's/^Alerts page, until Ctrl-C: //p' served.err)
export TAPIR_SERVER=${link%%/alerts*} TAPIR_TOKEN_FILE=$work/token
range=(--from "$(sed 's/.*from=\([^&]*\)&.*/\1/' <<<"$link")" --to "$(sed 's/.*&to=\([^#]*\)#.*/\1/' <<<"$link")")
listed() { [ "$(tail -n +2 out | wc -l)" = "$1" ]; }
code=0
check "scan --serve prints a link that signs in and covers the capture" 'grep -qE "^http://127.0.0.1:[0-9]+/alerts\?from=20[^ ]*&to=20[^ ]*#sign-in=[0-9a-f]{64}$" <<<"$link"' \
  '[ -n "$(ls scratch)" ]' '[ "$(grep -c "\[\*\*\] \[1:" served.out)" = 10 ]'
run alerts "${range[@]}"
check "alerts: a table with headings" 'exits 0' 'silent' 'plain' 'listed 10' 'prints "^ID  *SEVERITY  *COUNT  *LAST SEEN  *AGE  *RULE  .*MESSAGE$"' 'prints "1:3000002 "'
run alerts; check "alerts: the last 24 hours are empty, and it says where to look" 'exits 0' 'says "no alerts.*--from"'
run alerts list "${range[@]}" --query sid:3000002 -o name; group=$(cat out)
check "alerts: names for other commands" 'exits 0' 'prints "^group/[0-9a-f]{16}$"'
run alerts show "$group"
check "alerts: why a rule fired, and its bytes" 'exits 0' 'plain' 'prints "^Why the rule fired"' 'prints "^  \* "' 'prints "^ +\^\^"' 'prints "jndi"'
run alerts --query 'severty:high'; check "alerts: the place of a query error" 'exits 2' 'says "^  severty:high$"' 'says "^  \^\^\^\^\^\^\^ write .severity."'
run alerts ack "${range[@]}" --query sid:3000002 </dev/null
check "alerts: nobody to answer a question is wrong usage" 'exits 2' 'says "1 group"' 'says "--yes"'
run alerts ack "${range[@]}" --query sid:3000002 --yes; undo=$(sed -n 's/^undo: tapir alerts undo \([^ ]*\).*/\1/p' out)
check "alerts: a decision says how to take it back" 'exits 0' 'prints "^$group acknowledged$"' '[ -n "$undo" ]'
run alerts undo "$undo"; check "alerts: and is taken back" 'exits 0' 'prints "^$group open$"'
run alerts quiet "$group" --days 366; check "alerts: a preview before anything is quiet" 'exits 0' 'prints "^N  *SCOPE  *WOULD HIDE"' 'prints "^1  *pair "'
run alerts list "${range[@]}" -o json
if command -v python3 >/dev/null; then
  check "alerts: JSON" 'exits 0' '[ "$(python3 -c "import json; print(len(json.load(open(\"out\"))[\"items\"]))")" = 10 ]'
else
  skip "alerts: JSON" "needs python3"
fi
run alerts list "${range[@]}" -o yaml
if python3 -c 'import yaml' 2>/dev/null; then
  check "alerts: YAML" 'exits 0' '[ "$(python3 -c "import yaml; print(len(yaml.safe_load(open(\"out\"))[\"items\"]))")" = 10 ]'
else
  check "alerts: YAML" 'exits 0' 'prints "^items:"' '[ "$(grep -c "^- " out)" = 10 ]'
fi
TAPIR_TOKEN=wrong run alerts; check "alerts: a wrong token" 'exits 1' 'says "does not know who asks"'
TAPIR_TOKEN_FILE='' run alerts; check "alerts: no token" 'exits 2' 'says "--token-file"'
run alerts --token x; check "alerts: no token on the command line" 'exits 2' 'says "unexpected argument"'
run alerts --server http://127.0.0.1:1; check "alerts: no manager" 'exits 1' 'says "cannot reach the manager at http://127.0.0.1:1"'
kill -INT $serving; wait $serving; code=$?
check "scan --serve leaves nothing behind" 'exits 0' '[ -z "$(ls scratch)" ]'
unset TAPIR_SERVER TAPIR_TOKEN_FILE

printf '%s passed, %s failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %s skipped' "$skipped"
echo
[ "$failed" = 0 ]
