#!/usr/bin/env bash
# The Helm chart, linted and rendered by a real helm: the same objects as `tapir install --print`.
#
# usage: tests/chart.sh BINARY HELM
#
# One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
helm=$(realpath -e "$2") || exit 2
chart=$here/../deploy/chart
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-chart.XXXXXX")
trap 'rm -rf "$work"' EXIT
export HOME=$work
passed=0 failed=0
ok() { passed=$((passed + 1)); printf 'ok      %s\n' "$1"; }
bad() { failed=$((failed + 1)); printf 'FAILED  %s\n' "$1"; }

# Both as JSON, sorted: YAML is read by ruby or python, whichever is here; neither is needed to use the chart.
sorted() {
  python3 -c '
import json, sys, yaml
objects = [one for one in yaml.safe_load_all(sys.stdin) if one]
for line in sorted(json.dumps(one, sort_keys=True) for one in objects):
    print(line)
'
}
python3 -c 'import yaml' 2>/dev/null || { echo "chart.sh: skipped: python3-yaml is not installed"; exit 0; }
same() {  # WHAT NAMESPACE INSTALL-OPTIONS -- HELM-OPTIONS
  local what=$1 namespace=$2 install=()
  shift 2
  while [ "$1" != -- ]; do install+=("$1"); shift; done
  shift
  "$tapir" install --print --calico-crds always --namespace "$namespace" "${install[@]}" >"$work/install.yaml" 2>"$work/install.log" || cat "$work/install.log"
  "$helm" template tapir "$chart" --namespace "$namespace" --include-crds --set createNamespace=true "$@" >"$work/chart.yaml" 2>"$work/chart.log" || cat "$work/chart.log"
  sorted <"$work/install.yaml" >"$work/one"
  sorted <"$work/chart.yaml" >"$work/two"
  if [ -s "$work/one" ] && diff "$work/one" "$work/two" >"$work/diff"; then ok "$what ($(wc -l <"$work/one") objects)"; else bad "$what"; cut -c1-400 "$work/diff" | head -n 8; fi
}

"$helm" lint --strict "$chart" >"$work/lint" 2>&1 && ok "helm lints the chart" || { bad "helm lints the chart"; cat "$work/lint"; }
same "the defaults are the same" tapir-system --
same "with Tapir's names" tapir-system --compat none -- --set compat=none
same "in another namespace" security -- 
same "with every other choice" security \
  --image registry.example/tapir:2 --pull-policy Always --pull-secret one,two --cluster prod --interface-prefix cali,eni --agent-health 127.0.0.1:9197 --honour exceptions,suppressions --sandbox require \
  --host-pid --inside-pods --run-as-root --storage 5Gi --storage-class fast --public-url https://tapir.example.com -- \
  --set image=registry.example/tapir:2 --set pullPolicy=Always --set 'pullSecrets={one,two}' --set cluster=prod \
  --set 'agent.interfacePrefix=cali\,eni' --set agent.health=127.0.0.1:9197 --set 'manager.honour={exceptions,suppressions}' --set agent.sandbox=require --set agent.hostPID=true --set agent.insidePods=true --set agent.runAsRoot=true --set manager.storage=5Gi \
  --set manager.storageClass=fast --set manager.publicURL=https://tapir.example.com
printf 'agent: {sandbox: off}\n' >"$work/off.yaml"   # which YAML takes for no
same "without a sandbox" tapir-system --sandbox off -- --values "$work/off.yaml"
same "the same with the word" tapir-system --sandbox off -- --set agent.sandbox=off
same "without a manager" tapir-system --manager no -- --set manager.enabled=false
"$helm" template tapir "$chart" --set compat=nobody >"$work/wrong" 2>&1 && bad "a wrong value is refused" || ok "a wrong value is refused"
"$helm" template tapir "$chart" --set agent.interfacePrefix=calico1 >"$work/wrong" 2>&1 && bad "a prefix that agents would refuse is refused" || ok "a prefix that agents would refuse is refused"
"$tapir" install --print --calico-crds never --interface-prefix calico1 >"$work/wrong" 2>&1 && bad "by tapir install, too" || { grep -q 'interface-prefix calico1: .calico1. cannot begin names of interfaces' "$work/wrong" && ok "by tapir install, too" || bad "by tapir install, too"; }
"$helm" template tapir "$chart" --namespace tigera-dpi >"$work/wrong" 2>&1 && bad "the agents' namespace is refused to the operator" || { grep -q 'is the agents' "$work/wrong" && ok "the agents' namespace is refused to the operator" || bad "the agents' namespace is refused to the operator"; }
[ "$("$helm" template tapir "$chart" --set agent.createNamespace=false --set manager.createWebhookNamespace=false --namespace tapir-system | grep -c '^kind: Namespace')" = 0 ] && ok "namespaces that others have are left out" || bad "namespaces that others have are left out"
"$helm" template tapir "$chart" --set agent.sandbox=perhaps >"$work/wrong" 2>&1 && bad "a wrong word for the sandbox is refused" || ok "a wrong word for the sandbox is refused"
"$helm" template tapir "$chart" --namespace tapir-system | grep -q '^kind: Namespace' && [ "$("$helm" template tapir "$chart" --namespace tapir-system | grep -A12 '^kind: Namespace' | grep -c '  name: tapir-system')" = 0 ] && ok "the release's namespace is helm's to make" || bad "the release's namespace is helm's to make"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
