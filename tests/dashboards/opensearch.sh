#!/usr/bin/env bash
# The saved objects of deploy/dashboards against a real OpenSearch that holds what Tapir's sink delivers.
#
# usage: OPENSEARCH_URL=http://127.0.0.1:PORT tests/dashboards/opensearch.sh
#        tests/opensearch/run.sh tests/dashboards/opensearch.sh
#
# demo/attacks.pcap is scanned, its alerts get the names that an agent in a cluster adds (events.jq), and go through spool,
# courier and sink in both layouts. TAPIR and ELASTIC, if not empty, are binaries to use instead of building them: `tapir`, and
# the example `elastic` of tapir-delivery.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${OPENSEARCH_URL:?where is the server? tests/opensearch/run.sh sets it}"
cd "$root"
python3 deploy/dashboards/make.py --check
elastic=("${CARGO:-cargo}" run -q --locked -p tapir-delivery --example elastic --)
if [ -n "${ELASTIC:-}" ]; then elastic=("$ELASTIC"); fi
if [ -n "${TAPIR:-}" ]; then tapir=("$TAPIR"); else tapir=("${CARGO:-cargo}" run -q --locked -p tapir --); fi
"${tapir[@]}" -q scan --no-summary --evidence --format tapir demo/attacks.pcap | jq -c -s -f "$here/events.jq" |
  "${elastic[@]}" "$OPENSEARCH_URL" dashboards
curl -fsS --globoff -o /dev/null -X POST "$OPENSEARCH_URL/tigera_secure_ee_events*,logs-tapir.alert-*/_refresh"
python3 "$here/saved_objects.py" deploy/dashboards/calico.ndjson deploy/dashboards/ecs.ndjson
