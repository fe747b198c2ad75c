#!/usr/bin/env bash
# What an event sink and its readers ask of OpenSearch, asked of a real one, and the answers checked.
#
# usage: OPENSEARCH_URL=http://127.0.0.1:PORT tests/opensearch/smoke.sh
#        tests/opensearch/run.sh tests/opensearch/smoke.sh
#
# Index names, alias, template and mapping are those of Calico's event index, written from its documented facts, so
# what holds here holds for views and pages that read `tigera_secure_ee_events*`. The server must be empty: names
# are fixed, and nothing is removed afterwards.
#
# One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
url=${OPENSEARCH_URL:?'where is the server? run.sh sets it'}
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-smoke.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work" || exit 1

view='tigera_secure_ee_events*'              # what a data view reads
alias=tigera_secure_ee_events.cluster.       # what a sink writes to; the dot belongs to the name
first=tigera_secure_ee_events.cluster.lma-
base=1699999200                              # epoch seconds, a full hour
count=240                                    # documents, one a minute: four hours of 60

passed=0 failed=0 code=0

# --- how a check is made ------------------------------------------------------------------------

# METHOD PATH [BODY]: the answer is in ./answer, its status in $code. BODY may be @FILE.
ask() {
  local type=application/json
  case $2 in *_bulk*) type=application/x-ndjson;; esac
  code=$(curl -sS --globoff --max-time 30 -o answer -w '%{http_code}' -X "$1" "$url/$2" \
    ${3:+-H "Content-Type: $type" --data-binary "$3"}) || code=000
}
# WHAT STATUS [CONDITION]: the last answer has this status and satisfies this jq expression.
holds() {
  if [ "$code" = "$2" ] && jq -e "${3:-true}" answer >/dev/null 2>&1; then
    passed=$((passed + 1)); printf 'ok      %s\n' "$1"
  else
    failed=$((failed + 1)); printf 'FAILED  %s\n        wanted: %s %s\n        answer: %s %.600s\n' \
      "$1" "$2" "${3:-}" "$code" "$(cat answer)"
  fi
}
refresh() { ask POST "$view/_refresh"; }

# --- template, first index, alias ---------------------------------------------------------------

# [SETTING: VALUE, ...]: with these settings besides
template() {
  jq -n --arg pattern "$alias*" "{
    index_patterns: [\$pattern], priority: 100,
    template: {
      settings: ({number_of_shards: 1, number_of_replicas: 0,
        analysis: {normalizer: {lowercase: {type: \"custom\", filter: [\"lowercase\"]}}}} + {$1}),
      mappings: {dynamic: false, properties: (
        ([\"id\", \"type\", \"description\", \"origin\", \"host\", \"name\", \"protocol\", \"source_name\", \"source_namespace\",
          \"dest_name\", \"dest_namespace\", \"mitre_ids\"] | map({(.): {type: \"keyword\"}}) | add) +
        ([\"source_ip\", \"dest_ip\"] | map({(.): {type: \"ip\", null_value: \"0.0.0.0\"}}) | add) +
        ([\"source_port\", \"dest_port\"] | map({(.): {type: \"long\", null_value: \"0\"}}) | add) +
        {severity: {type: \"long\"}, dismissed: {type: \"boolean\"},
         time: {type: \"date\", format: \"strict_date_optional_time||epoch_second\"},
         record: {type: \"object\", properties: {
           snort_signature_id: {type: \"keyword\"}, snort_signature_revision: {type: \"keyword\"},
           snort_alert: {type: \"keyword\", ignore_above: 8191}}},
         tapir: {type: \"object\", dynamic: false}})}}}"
}

# Half of the times are epoch seconds, half ISO 8601, as the incumbent's producers differ. Every tenth address is IPv6.
documents() {  # FROM TO OPERATION
  jq -nc --argjson from "$1" --argjson to "$2" --arg operation "$3" --argjson base "$base" '
    range($from; $to) | . as $i | ($base + $i * 60) as $time | ([21562, 57461, 1000001][$i % 3] | tostring) as $sid
    | {($operation): {_id: "event-\($i)"}},
      {id: "event-\($i)", type: "deep_packet_inspection", description: "Deep Packet Inspection found a match",
       origin: (if $i % 4 == 0 then "dpi.shop/cart" else "dpi.shop/frontend" end), severity: (100 - $i % 4),
       host: "node-1", time: (if $i % 2 == 0 then $time else $time | todate | sub("Z"; "+00:00") end),
       source_ip: (if $i % 10 == 9 then "2001:db8::\($i)" else "10.65.\($i % 4).\($i % 250 + 1)" end),
       source_port: (40000 + $i), dest_ip: "10.65.9.9", dest_port: 8080, dest_name: "frontend-6b64dc9665-97687",
       dest_namespace: "shop", record: {snort_signature_id: $sid, snort_signature_revision: "6",
       snort_alert: "[**] [1:\($sid):6] [**]"}, tapir: {flow: "flow-\($i)"}}'
}

ask GET ''
holds 'the server is OpenSearch' 200 '.version.distribution == "opensearch"'

template '"index.lifecycle.name": "p", "index.lifecycle.rollover_alias": "a"' >body
ask PUT _index_template/events @body
holds 'a template with Elastic ILM settings is refused' 400 '.error | tostring | contains("unknown setting [index.lifecycle.name]")'
template '' >body
ask PUT _index_template/events @body
holds 'without them the template is taken' 200 '.acknowledged'

documents 0 2 index >body
ask POST "$alias/_bulk?require_alias=true" @body
holds 'require_alias refuses writing before the alias is there' 200 \
  '.errors and ([.items[].index.status] == [404, 404])'
ask GET "_cat/indices/$view?format=json"
holds '... and no index came into being' 200 'length == 0'
ask POST "$alias/_bulk" @body
holds 'without it an index takes the name of the alias' 200 ".errors == false and .items[0].index._index == \"$alias\""
ask PUT "${first}x" "{\"aliases\": {\"$alias\": {}}}"
holds '... and no alias can have it' 400 '.error.type == "invalid_alias_name_exception"'
ask DELETE "$alias"
holds '(and taken out)' 200 '.acknowledged'

ask PUT "%3C${first}%7Bnow%2Fs%7ByyyyMMdd%7D%7D-000000%3E" "{\"aliases\": {\"$alias\": {\"is_write_index\": true}}}"
holds 'the first index, by date math, with the alias that ends in a dot' 200 \
  '.index | test("^tigera_secure_ee_events\\.cluster\\.lma-[0-9]{8}-000000$")'
index=$(jq -r .index answer)
ask GET "$index/_mapping"
holds 'it has the mapping of the template' 200 \
  '.[].mappings | .dynamic == "false" and .properties.time.format == "strict_date_optional_time||epoch_second"
   and .properties.source_ip.type == "ip" and .properties.record.properties.snort_alert.ignore_above == 8191'

# --- writing ------------------------------------------------------------------------------------

documents 0 120 create >body
ask POST "$alias/_bulk?require_alias=true&refresh=true" @body
holds '_bulk through the alias, with ids of our own' 200 \
  ".errors == false and ([.items[].create | select(.status == 201 and ._index == \"$index\")] | length == 120)"
ask POST "$alias/_bulk?require_alias=true&refresh=true" @body
holds 'the same again adds nothing: every item is a conflict' 200 '[.items[].create.status] | unique == [409]'
documents 0 3 index >body
ask POST "$alias/_bulk?refresh=true" @body
holds 'as index instead of create it replaces' 200 '.errors == false and ([.items[].index | [.status, ._version]] | unique == [[200, 2]])'
{ printf '{"create":{"_id":"bad"}}\n{"time":%s,"source_ip":""}\n' "$base"
  printf '{"create":{"_id":"worse"}}\n{"time":"yesterday"}\n'; documents 120 180 create; } >body
ask POST "$alias/_bulk?refresh=true" @body
holds 'an empty address and a bad time are refused, their neighbours kept' 200 \
  '.errors and ([.items[:2][].create | [.status, .error.type]] | unique == [[400, "mapper_parsing_exception"]])
   and ([.items[2:][].create.status] | unique == [201])'
head -n 1 body >broken; printf '{"time":' >>broken
ask POST "$alias/_bulk" @broken
holds 'a body without its last newline is refused as a whole' 400 '.error.type == "illegal_argument_exception"'
ask GET "$alias/_search" '{"query": {"term": {"tapir.flow": "flow-5"}}}'
holds 'dynamic false: what is not mapped is not searched' 200 '.hits.total.value == 0'
ask GET "$alias/_doc/event-5"
holds '... but kept' 200 '._source.tapir.flow == "flow-5"'

# --- rollover -----------------------------------------------------------------------------------

ask POST "$alias/_rollover" '{"conditions": {"max_docs": 1000, "max_age": "1d", "max_size": "10gb"}}'
holds '_rollover waits for its conditions' 200 '.rolled_over == false and (.conditions | length == 3)'
ask POST "$alias/_rollover" '{"conditions": {"max_docs": 100}}'
holds '... and then makes the next index' 200 \
  '.rolled_over and (.new_index | test("^tigera_secure_ee_events\\.cluster\\.lma-[0-9]{8}-000001$"))'
second=$(jq -r .new_index answer)
ask GET "_alias/$alias"
holds 'the alias writes to the new one and reads both' 200 \
  ".[\"$index\"].aliases[\"$alias\"].is_write_index == false and .[\"$second\"].aliases[\"$alias\"].is_write_index"
documents 180 "$count" create >body
ask POST "$alias/_bulk?require_alias=true&refresh=true" @body
holds '_bulk goes to the new index' 200 ".errors == false and ([.items[].create._index] | unique == [\"$second\"])"
documents 0 1 create >body
ask POST "$alias/_bulk?refresh=true" @body
holds 'an id is unique in its index only: after a rollover it is taken again' 200 '.items[0].create.status == 201'
ask DELETE "$second/_doc/event-0?refresh=true"
holds '(and taken out)' 200 '.result == "deleted"'

# --- reading ------------------------------------------------------------------------------------

ask GET "$view/_field_caps?fields=*"
holds 'the data view: time is a date to search and to aggregate' 200 \
  '(.indices | length == 2) and .fields.time.date.searchable and .fields.time.date.aggregatable and .fields.source_ip.ip.aggregatable'
ask GET "$view/_search" "{\"track_total_hits\": true, \"size\": 3, \"sort\": [{\"time\": \"desc\"}],
  \"query\": {\"range\": {\"time\": {\"gt\": $((base + 600)), \"lte\": $((base + 1200))}}}}"
holds 'time > from and <= to, in epoch seconds' 200 '.hits.total == {value: 10, relation: "eq"} and .hits.hits[0]._id == "event-20"'
ask GET "$view/_search" "{\"track_total_hits\": true, \"query\": {\"bool\": {\"filter\": [{\"range\": {\"time\":
  {\"gte\": \"$(date -ud "@$((base + 10740))" +%FT%T.000Z)\", \"lte\": \"$(date -ud "@$((base + 10860))" +%FT%T.000Z)\",
  \"format\": \"strict_date_optional_time\"}}}]}}}"
holds 'as Kibana asks: ISO 8601, both ends in, over both indices' 200 \
  '.hits.total.value == 3 and ([.hits.hits[]._index] | unique | length == 2)'
ask GET "$view/_search" '{"query": {"query_string": {"query": "record.snort_signature_id:21562 AND origin:\"dpi.shop/cart\""}}}'
holds 'query string: rule and origin' 200 '.hits.total.value == 20'
ask GET "$view/_search" '{"query": {"term": {"source_ip": "10.65.2.0/24"}}}'
holds 'an address within a network' 200 '.hits.total.value == 60'
ask GET "$view/_search" '{"query": {"range": {"source_ip": {"gte": "2001:db8::", "lte": "2001:db8::ffff"}}}}'
holds 'IPv6 addresses, as a range' 200 '.hits.total.value == 24'

ask GET "$view/_search" '{"size": 0, "aggs": {
  "rules": {"terms": {"field": "record.snort_signature_id", "order": {"_key": "asc"}}, "aggs": {"worst": {"max": {"field": "severity"}}}},
  "hours": {"date_histogram": {"field": "time", "fixed_interval": "1h", "format": "epoch_second"}},
  "sources": {"cardinality": {"field": "source_ip"}}}}'
holds 'terms with a metric inside' 200 '[.aggregations.rules.buckets[] | [.key, .doc_count, .worst.value]]
  == [["1000001", 80, 100], ["21562", 80, 100], ["57461", 80, 100]]'
holds 'date_histogram' 200 \
  "[.aggregations.hours.buckets[] | [.key_as_string, .doc_count]] == [range(4) | [$base + . * 3600 | tostring, 60]]"
holds 'cardinality' 200 ".aggregations.sources.value | . > 220 and . <= $count"

after='' pages=0
: >buckets
while :; do
  ask GET "$view/_search" "{\"size\": 0, \"aggs\": {\"page\": {\"composite\": {\"size\": 4, ${after:+\"after\": $after,}
    \"sources\": [{\"origin\": {\"terms\": {\"field\": \"origin\"}}},
                  {\"hour\": {\"date_histogram\": {\"field\": \"time\", \"fixed_interval\": \"1h\"}}}]}}}}"
  after=$(jq -c '.aggregations.page.after_key // empty' answer)
  { [ "$code" = 200 ] && [ -n "$after" ] && [ $((pages += 1)) -le 10 ]; } || break
  jq -c '.aggregations.page.buckets[]' answer >>buckets
done
jq -s . buckets >answer
holds 'composite, page by page' 200 '([.[] | [.key.origin, .doc_count]]
  == ([range(4) | ["dpi.shop/cart", 15]] + [range(4) | ["dpi.shop/frontend", 45]]))'

# What is written meanwhile does not move the pages.
ask POST "$view/_search/point_in_time?keep_alive=1m"
holds 'a point in time' 200 '.pit_id | length > 20'
pit=$(jq -r .pit_id answer) after='' pages=0
: >ids
while :; do
  ask GET _search "{\"size\": 70, \"pit\": {\"id\": \"$pit\", \"keep_alive\": \"1m\"}, \"track_total_hits\": false,
    \"sort\": [{\"time\": \"asc\"}, {\"id\": \"asc\"}] ${after:+, \"search_after\": $after}}"
  after=$(jq -c '.hits.hits[-1].sort // empty' answer)
  { [ "$code" = 200 ] && [ -n "$after" ] && [ $((pages += 1)) -le 10 ]; } || break
  jq -r '.hits.hits[]._id' answer >>ids
  [ "$pages" != 1 ] || { documents "$count" $((count + 5)) create >body; ask POST "$alias/_bulk?refresh=true" @body; }
done
jq -nR '[inputs]' ids >answer
holds 'search_after within it: every document once, in order of time' 200 "$pages == 4 and . == [range($count) | \"event-\\(.)\"]"
ask DELETE _search/point_in_time "{\"pit_id\": [\"$pit\"]}"
holds 'the point in time is given back' 200 '.pits[0].successful'
ask GET "$view/_count"
holds '... and what came meanwhile is there' 200 ".count == $((count + 5))"

# --- changing, deleting -------------------------------------------------------------------------

ask GET "$alias/_doc/event-7"
holds 'a document is not had by its id through an alias of two indices' 400 '.error.type == "illegal_argument_exception"'
ask POST "$alias/_update/event-7" '{"doc": {"dismissed": true}}'
holds '_update through the alias does not find what an older index has' 404 '.error.type == "document_missing_exception"'
ask POST "$index/_update/event-7?refresh=true" '{"doc": {"dismissed": true}}'
holds '_update in the index that has it' 200 '.result == "updated"'
version="if_seq_no=$(jq ._seq_no answer)&if_primary_term=$(jq ._primary_term answer)"
ask POST "$index/_update/event-7?refresh=true" '{"script": {"source": "ctx._source.severity -= params.by", "params": {"by": 40}}}'
holds '_update by a script' 200 '.result == "updated"'
ask POST "$index/_update/event-7?$version" '{"doc": {"dismissed": false}}'
holds '_update of an outdated version is a conflict' 409 '.error.type == "version_conflict_engine_exception"'
ask GET "$index/_doc/event-7"
holds 'both changes are kept, nothing else lost' 200 '._source | .dismissed and .severity == 57 and .source_port == 40007'
ask POST "$view/_update_by_query?refresh=true" \
  '{"query": {"term": {"origin": "dpi.shop/cart"}}, "script": {"source": "ctx._source.dismissed = true"}}'
holds '_update_by_query over both indices' 200 '.updated == 62 and (.failures | length == 0)'
ask GET "$view/_count" '{"query": {"term": {"dismissed": true}}}'
holds '... as a search sees' 200 '.count == 63'
ask POST "$view/_delete_by_query?refresh=true" "{\"query\": {\"range\": {\"time\": {\"lt\": $((base + 3600))}}}}"
holds '_delete_by_query: what is older than an hour of the range' 200 '.deleted == 60'
ask DELETE "$index"
holds 'retention: the older index goes' 200 '.acknowledged'
ask GET "$alias/_count"
holds '... and the alias reads what is left' 200 '.count == 65'

# --- what a current server has besides ----------------------------------------------------------

ask PUT kinds '{"mappings": {"properties": {"tapir": {"type": "flat_object"}, "alert": {"type": "wildcard"}}}}'
holds 'field types flat_object and wildcard' 200 '.acknowledged'
ask PUT 'kinds/_doc/1?refresh=true' '{"tapir": {"flow": {"service": "http"}, "gid": 1}, "alert": "[**] [1:21562:6] [**] POST"}'
ask GET kinds/_search '{"query": {"bool": {"filter": [{"term": {"tapir.flow.service": "http"}}, {"wildcard": {"alert": "*:21562:*"}}]}}}'
holds '... are searched by path and by pattern' 200 '.hits.total.value == 1'
ask GET kinds/_search '{"query": {"term": {"tapir.flow.service": "dns"}}}'
holds '... and do not match what is not so' 200 '.hits.total.value == 0'

ask PUT _index_template/stream '{"index_patterns": ["tapir-stream*"], "priority": 200, "data_stream": {"timestamp_field": {"name": "time"}},
  "template": {"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"time": {"type": "date", "format": "strict_date_optional_time||epoch_second"}}}}}'
holds 'a template of a data stream, with time as its timestamp' 200 '.acknowledged'
printf '{"create":{"_id":"1"}}\n{"time":%s}\n{"index":{"_id":"2"}}\n{"time":%s}\n' "$base" "$base" >body
ask POST 'tapir-stream/_bulk?refresh=true' @body
holds 'a data stream takes create, not index' 200 '.items[0].create.status == 201 and .items[1].index.status == 400'
ask POST tapir-stream/_rollover
holds 'a data stream rolls over' 200 '.rolled_over and .new_index == ".ds-tapir-stream-000002"'

ask GET _plugins/_ism/policies
holds 'index state management is a plug-in, which this server has not' 400 '.error | tostring | contains("no handler found")'

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
