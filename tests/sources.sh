#!/usr/bin/env bash
# Rules from outside, end to end: a real registry with TLS and passwords, a real web server with TLS, and an agent on a host without
# Kubernetes that is told of them on its command line and by Inspections.
#
# usage: tests/sources.sh BINARY REGISTRY      REGISTRY as tests/registry/build.sh prints it
#
# Needs root, nginx, curl, jq, tar and openssl; without them it says so and ends with 0. Everything is in a network namespace of its own.
# One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 5p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
registry=$(realpath -e "$2") || exit 2
for tool in openssl tar; do command -v "$tool" >/dev/null || { echo "sources.sh: skipped: $tool is not installed"; exit 0; }; done
. "$here/node.sh"
mkdir "$work/resources" "$work/rules" "$work/open" "$work/locked" "$work/pki"

# --- servers ------------------------------------------------------------------------------------

# The node's own addresses, which are no loopback ones: the agent goes there as it goes to any other host.
in_node ip addr add 10.240.0.5/32 dev lo
pki() { openssl "$@" >>"$work/pki/log" 2>&1 || { cat "$work/pki/log"; exit 1; }; }
pki req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout "$work/pki/ca.key" -out "$work/pki/ca.crt"
pki req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=servers -keyout "$work/pki/tls.key" -out "$work/pki/tls.csr"
printf 'subjectAltName=IP:10.240.0.4,IP:10.240.0.5\n' >"$work/pki/names"
pki x509 -req -days 2 -in "$work/pki/tls.csr" -CA "$work/pki/ca.crt" -CAkey "$work/pki/ca.key" -CAcreateserial -extfile "$work/pki/names" -out "$work/pki/tls.crt"
printf 'robot:%s\n' "$(openssl passwd -apr1 secret)" >"$work/locked.users"
chmod -R a+rX "$work"

web=https://10.240.0.4:8443
cat >"$work/web.conf" <<CONF
daemon off; master_process off; pid $work/web.pid; error_log $work/web.err;
events { worker_connections 64; }
http {
  log_format who '\$server_addr \$uri \$http_authorization'; access_log $work/web.log who;
  client_body_temp_path $work/w.b; proxy_temp_path $work/w.p; fastcgi_temp_path $work/w.f; uwsgi_temp_path $work/w.u; scgi_temp_path $work/w.s;
  ssl_certificate $work/pki/tls.crt; ssl_certificate_key $work/pki/tls.key;
  server { listen 10.240.0.4:8443 ssl; root $work;
    location /locked/ { auth_basic rules; auth_basic_user_file $work/locked.users; }
    location /away/ { auth_basic rules; auth_basic_user_file $work/locked.users; try_files /nothing @away; }
    location @away { return 302 https://10.240.0.5:8443/open/feed.rules; }
    location /down/ { return 302 http://10.240.0.4:8081/open/down.rules; } }
  server { listen 10.240.0.5:8443 ssl; listen 10.240.0.4:8081; root $work; }
}
CONF
serve_web() { ip netns exec "$node" nginx -c "$work/web.conf" & webserver=$!; pids+=("$webserver"); }
at=10.240.0.4:5000
cat >"$work/registry.yml" <<YAML
version: 0.1
log: {level: error}
storage: {inmemory: {}}
http: {addr: "$at", secret: x, tls: {certificate: $work/pki/tls.crt, key: $work/pki/tls.key}}
auth: {htpasswd: {realm: rules, path: $work/registry.users}}
YAML
# robot, secret; the registry takes bcrypt only.
echo 'robot:$2b$04$I74ynrOTDfiYuA7y0YS/x.MQ7EnwRPyQliUvb2DiIVAIIany4/x.W' >"$work/registry.users"
serve_registry() { OTEL_TRACES_EXPORTER=none ip netns exec "$node" "$registry" serve "$work/registry.yml" >"$work/registry.log" 2>&1 & registered=$!; pids+=("$registered"); }
ask() { in_node curl -fsS --cacert "$work/pki/ca.crt" --max-time 10 "$@"; }
as_robot() { ask -u robot:secret "$@"; }
sum() { sha256sum "$1" | cut -c1-64; }
push() {  # FILE: as a blob
  local to
  to=$(as_robot -X POST -D - -o /dev/null "https://$at/v2/team/rules/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  as_robot -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$to&digest=sha256:$(sum "$1")"
}
layer() { jq -cn --arg d "sha256:$(sum "$1")" --argjson n "$(stat -c %s "$1")" --arg t "$2" '{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $d, size: $n, annotations: {"org.opencontainers.image.title": $t}}'; }
artifact() {  # NAME LAYER…: pushes files as `oras push` does; NAME is where the manifest is left
  local name=$1 layers='[]' file; shift
  printf '{}' >"$work/empty"; push "$work/empty"
  for file; do push "$file"; layers=$(jq -c --argjson one "$(layer "$file" "$(basename "$file")")" '. + [$one]' <<<"$layers"); done
  jq -cn --arg d "sha256:$(sum "$work/empty")" --argjson l "$layers" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: "application/vnd.tapir.rules", config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $d, size: 2}, layers: $l}' | tr -d '\n' >"$work/$name"
  as_robot -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$work/$name" "https://$at/v2/team/rules/manifests/$name"
}
serve_web
serve_registry
within "the web server answers with TLS" 5 ask -o /dev/null "$web/pki/names"
within "the registry answers with TLS, to who has a password" 10 as_robot -o /dev/null "https://$at/v2/"
never "and to nobody else" ask -o /dev/null "https://$at/v2/"

# --- rules, a pod, the agent ----------------------------------------------------------------------

rule() { printf 'alert http ( msg:"%s"; flow:to_server,established; http_client_body; content:"smk=",depth 4; sid:%s; )\n' "$1" "$2"; }
rule own 1 >"$work/rules/own.rules"
rule feed 601 >"$work/open/feed.rules"
rule paid 602 >"$work/locked/paid.rules"
rule down 603 >"$work/open/down.rules"
mkdir "$work/packed"; rule packed 501 >"$work/packed/a.rules"; echo hello >"$work/packed/README"
tar -C "$work/packed" -czf "$work/open/packed.tar.gz" .
rule artifact 502 >"$work/artifact.rules"
artifact v1 "$work/artifact.rules" "$work/open/packed.tar.gz" || bad "rules are pushed to the registry"
truncate -s $((65 << 20)) "$work/open/big.rules"
nothing=$(printf x | sha256sum | cut -c1-64)

printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$at" "$(printf 'robot:secret' | base64)" >"$work/docker.json"
resource() { cat >"$work/new"; mv "$work/new" "$work/resources/$1.yaml"; }   # NAME: from standard input, at once
start_pod frontend-1 9
resource pod <<YAML
{apiVersion: tapir.dev/v1alpha1, kind: Endpoint, metadata: {namespace: shop, name: frontend-1, labels: {app: frontend}}, spec: {interface: $(link_of frontend-1), addresses: [10.65.1.9]}}
YAML
resource sample <<'YAML'
{apiVersion: projectcalico.org/v3, kind: DeepPacketInspection, metadata: {name: sample, namespace: shop}, spec: {selector: 'app == "frontend"'}}
YAML
source_of() {  # NAME SOURCE: an Inspection with this source alone
  resource "own-$1" <<YAML
{apiVersion: tapir.dev/v1alpha1, kind: Inspection, metadata: {name: $1}, spec: {workloads: {selector: 'app == "frontend"'}, rules: {bundled: false, sources: [{name: $1, $2}]}}}
YAML
}
url() { printf "url: {url: '%s', digest: 'sha256:%s'%s}" "$web/$1" "$2" "$([ $# -lt 3 ] || printf ', credentials: {name: %s}' "$3")"; }   # PATH DIGEST [SECRET]
oci="oci://$at/team/rules@sha256:$(sum "$work/v1")"
packed="$web/open/packed.tar.gz?oinkcode=4711abc"
ca=$work/pki/ca.crt
begin() {  # MORE…: an agent
  : >"$log"
  ip netns exec "$node" "$tapir" agent --resources "$work/resources" --rules "$work/rules" --rules-cache "$work/cache" --rules-ca "$ca" \
    --rules-from "$oci" --rules-from "$packed#sha256=$(sum "$work/open/packed.tar.gz")" --format tapir --node node-1 "$@" >>"$alerts" 2>"$log" &
  agent=$!
  pids+=("$agent")
  within "the pod is inspected" 10 logged "shop/frontend-1 on .*: inspected for shop/sample"
}
finish() { kill -TERM "$agent"; wait "$agent" 2>/dev/null; }
in_metrics() { in_node curl -fsS http://127.0.0.1:9097/metrics | grep -qE -- "$1"; }
failed() { in_metrics "^tapir_rule_source_failed\\{source=\"$1\"\\} 1"; }
within "the server of the pod answers" 5 in_node curl -gsS --max-time 1 http://10.65.1.9:8080/

begin
within "a registry that asks for a password is told when none is given" 10 logged "error: rules of oci://$at/team/rules: the registry asks for user and password, and none are given for it; it has given no rules yet"
within "and in metrics" 2 failed "oci://$at/team/rules"
within "rules of the web server are in force all the same" 5 logged 'rules reloaded: 2 rules \(0 rejected'
finish
begin --rules-credentials "$work/docker.json"
within "with the password, an artifact's rules join those of the node" 10 logged 'rules reloaded: 3 rules \(0 rejected'
mark; attack 10.65.1.9
within "what only the artifact knows is alerted" 3 alerted '.rule.sid == 502'
within "so is what is in an archive, once, though two sources have it" 3 alerted '.rule.sid == 501'
within "no source has failed" 2 in_metrics "^tapir_rule_source_failed\\{source=\"oci://$at/team/rules\"\\} 0"
never "a key in an address is not told" grep -q 4711abc "$log"
never "in metrics neither" in_metrics 4711abc
never "copies are for the agent's user alone" eval "stat -c %a '$work/cache/sha256' | grep -qv '^700\$'"

# --- Inspections ----------------------------------------------------------------------------------

resource secret <<'YAML'
{apiVersion: v1, kind: Secret, metadata: {name: feed, labels: {tapir.dev/rules: named}}, stringData: {host: '10.240.0.4:8443', username: robot, password: secret}}
YAML
source_of feed "$(url away/feed.rules "$(sum "$work/open/feed.rules")" feed)"
within "a feed with credentials of a Secret is fetched, where its server sends us" 10 logged "rules of an Inspection loaded: 1 rules"
mark; attack 10.65.1.9
within "and holds" 3 alerted '.rule.sid == 601 and .inspection.name == "feed"'
within "its server was sent the password" 2 grep -q '^10.240.0.4 /away/feed.rules Basic cm9ib3Q6c2VjcmV0$' "$work/web.log"
within "the other one was sent none" 2 grep -q '^10.240.0.5 /open/feed.rules -$' "$work/web.log"
source_of feed "$(url away/feed.rules "$nothing" feed)"
within "another digest is told, with what came" 10 logged "error: rules of $web/away/feed.rules: what came is not what was asked for: its digest is sha256:$(sum "$work/open/feed.rules"), not sha256:$nothing .*its last good rules stay in force"
within "in metrics, too" 2 failed "$web/away/feed.rules"
mark; attack 10.65.1.9
within "and the last good ones hold" 3 alerted '.rule.sid == 601 and .inspection.name == "feed"'
source_of paid "$(url locked/paid.rules "$(sum "$work/locked/paid.rules")")"
within "who has no password for it is told" 10 logged "error: rules of $web/locked/paid.rules: the server answers 401"
source_of down "$(url down/down.rules "$(sum "$work/open/down.rules")")"
within "a redirect out of TLS is not followed" 10 logged "error: rules of $web/down/down.rules: 10.240.0.4:8443: a redirect from https to http, which is not followed"
source_of big "$(url open/big.rules "$nothing")"
within "what is too big is not taken" 15 logged "error: rules of $web/open/big.rules: .*longer than 67108864 bytes"
source_of none "oci: {reference: '$at/team/none@sha256:$nothing', pullSecret: {name: other}}"
within "a Secret that is not there is told" 10 logged "error: rules of oci://$at/team/none: secret/other with its credentials is not in Tapir's namespace"
mark; attack 10.65.1.9
within "and all that takes nothing from the node's rules" 3 alerted '.rule.sid == 502 and .inspection.name == "sample"'

# --- a restart without servers --------------------------------------------------------------------

finish
kill "$webserver" "$registered"; wait "$webserver" "$registered" 2>/dev/null
rm "$work/resources"/own-{paid,down,big,none}.yaml
begin
within "without any server, the rules are there from the copies" 10 logged 'rules reloaded: 3 rules \(0 rejected'
within "a source whose new digest was never seen is told as down" 10 logged "error: rules of $web/away/feed.rules: 10.240.0.4:8443: .*its last good rules stay in force"
mark; attack 10.65.1.9
within "rules of the artifact hold" 3 alerted '.rule.sid == 502'
within "and the last good ones of the feed" 3 alerted '.rule.sid == 601 and .inspection.name == "feed"'
finish
rm -r "$work/cache"
serve_web
within "the web server is there again" 5 ask -o /dev/null "$web/pki/names"
pki req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=another -keyout "$work/pki/other.key" -out "$work/pki/other.crt"
ca=$work/pki/other.crt
begin
within "a server that no authority of ours knows is not asked" 10 logged "error: rules of $web/open/packed.tar.gz.*: 10.240.0.4:8443: .*[Cc]ertificate"
finish

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
