# For tests that are sourced with it, after node.sh: what kubelet does, as far as these tests need it. A pod's containers are run with the arguments,
# files and user that its object says, in mount namespaces of their own on the node's network.
# shellcheck shell=bash
#
# Who sources it has set `tapir`, `work`, `node`, `admin` (a kubeconfig) and `kc`. Images are not pulled: a container of Tapir's image is
# the binary that is tested. Capabilities that an image gives to its file are given to the process.

# NAMESPACE POD: makes the files of its volumes, under $work/pods/NAMESPACE/POD/VOLUME.
make_volumes() {
  local namespace=$1 pod=$2 root=$work/pods/$1/$2 volume name kind claim
  mkdir -p "$root"
  kc -n "$namespace" get pod "$pod" -o json >"$root.json"
  rm -rf "$root"; mkdir -p "$root"
  jq -c '.spec.volumes[]?' "$root.json" | while read -r volume; do
    name=$(jq -r .name <<<"$volume")
    mkdir -p "$root/$name"
    kind=$(jq -r 'keys[] | select(. != "name")' <<<"$volume")
    case $kind in
      configMap) kc -n "$namespace" get configmap "$(jq -r .configMap.name <<<"$volume")" -o json | jq -c '.data // {} | to_entries[]' |
        while read -r entry; do jq -j .value <<<"$entry" >"$root/$name/$(jq -r .key <<<"$entry")"; done ;;
      secret) kc -n "$namespace" get secret "$(jq -r .secret.secretName <<<"$volume")" -o json 2>/dev/null | jq -c '.data // {} | to_entries[]' |
        while read -r entry; do jq -r .value <<<"$entry" | base64 -d >"$root/$name/$(jq -r .key <<<"$entry")"; done ;;
      hostPath) mkdir -p "$work/host$(jq -r .hostPath.path <<<"$volume")"; rmdir "$root/$name"; ln -s "$work/host$(jq -r .hostPath.path <<<"$volume")" "$root/$name" ;;
      emptyDir) chown 65532:65532 "$root/$name" ;;
      persistentVolumeClaim) rmdir "$root/$name"; claim=$work/claims/$namespace/$(jq -r .persistentVolumeClaim.claimName <<<"$volume")
        mkdir -p "$claim"; chown 65532:65532 "$claim"; ln -s "$claim" "$root/$name" ;;
    esac
  done
  # Volumes for the group, as fsGroup has it.
  chgrp -R 65532 "$root" 2>/dev/null; chmod -R g+rX "$root" 2>/dev/null
  # The service account's own.
  mkdir -p "$root/service-account"
  kc -n "$namespace" create token "$(jq -r '.spec.serviceAccountName // "default"' "$root.json")" --duration=1h >"$root/service-account/token"
  kc config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 -d >"$root/service-account/ca.crt"
  printf %s "$namespace" >"$root/service-account/namespace"
}

# NAMESPACE POD KIND INDEX LOG: runs a container (KIND: containers or initContainers) in the foreground.
run_container() {
  local namespace=$1 pod=$2 root=$work/pods/$1/$2 container user capabilities='' arguments=() variables=() mounts='' address
  container=$(jq -c ".spec.$3[$4]" "$root.json")
  mapfile -t arguments < <(jq -r '.args[]?' <<<"$container")
  user=$(jq -r '.securityContext.runAsUser // 0' <<<"$container")
  capabilities=$(jq -r '[.securityContext.capabilities.add[]? | ",+" + ascii_downcase] | join("")' <<<"$container")
  address=$(kc config view --raw -o jsonpath='{.clusters[0].cluster.server}')
  address=${address#https://}
  variables=("KUBERNETES_SERVICE_HOST=${address%:*}" "KUBERNETES_SERVICE_PORT=${address##*:}")
  while read -r variable; do
    case $(jq -r '.valueFrom.fieldRef.fieldPath // ""' <<<"$variable") in
      spec.nodeName) variables+=("$(jq -r .name <<<"$variable")=$(jq -r .spec.nodeName "$root.json")") ;;
      metadata.name) variables+=("$(jq -r .name <<<"$variable")=$pod") ;;
      '') variables+=("$(jq -r '.name + "=" + (.value // "")' <<<"$variable")") ;;
    esac
  done < <(jq -c '.env[]?' <<<"$container")
  while read -r mount; do
    case $(jq -r .name <<<"$mount") in kube-api-access-*) continue ;; esac  # made above
    mounts+="mkdir -p '$(jq -r .mountPath <<<"$mount")' && mount --bind $(jq -r 'if .readOnly then "-o ro" else "" end' <<<"$mount") '$(realpath "$root/$(jq -r .name <<<"$mount")")' '$(jq -r .mountPath <<<"$mount")' && "
  # /tmp at last: what is mounted comes from there.
  done < <(jq -c '.volumeMounts // [] | sort_by(.mountPath == "/tmp")[]' <<<"$container")
  # A root file system of its own over the machine's, so that places to mount at can be made.
  exec ip netns exec "$node" unshare --mount --propagation private bash -c "
    mkdir -p '$root/over' && mount -t tmpfs tmpfs '$root/over' && mkdir '$root/over/up-etc' '$root/over/work-etc' '$root/over/up-var' '$root/over/work-var' '$root/over/up-usr' '$root/over/work-usr' '$root/over/up-run' '$root/over/work-run' &&
    for place in etc var usr run; do mount -t overlay overlay -o \"lowerdir=/\$place,upperdir=$root/over/up-\$place,workdir=$root/over/work-\$place\" /\$place || exit 70; done &&
    cat '$work/hosts' >>/etc/hosts &&
    mkdir -p /var/run/secrets/kubernetes.io/serviceaccount && mount --bind '$root/service-account' /var/run/secrets/kubernetes.io/serviceaccount &&
    ${mounts} exec setpriv --reuid '$user' --regid '$user' --clear-groups --inh-caps=-all$capabilities --ambient-caps=-all$capabilities --bounding-set=-all$capabilities \
      env -i PATH=/usr/bin:/bin \"\$@\"
  " container "${variables[@]}" "$tapir" "${arguments[@]}" >>"$5" 2>&1
}

# NAMESPACE POD: binds it to its node, runs what comes first, then its container in the background; its pid is in container_pid.
start_container() {
  local namespace=$1 pod=$2 index count address
  make_volumes "$namespace" "$pod"
  count=$(jq '.spec.initContainers // [] | length' "$work/pods/$namespace/$pod.json")
  for ((index = 0; index < count; index++)); do
    case $(jq -r ".spec.initContainers[$index].name" "$work/pods/$namespace/$pod.json") in
      snort-rules) ;;  # an image of somebody else's
      *) (run_container "$namespace" "$pod" initContainers "$index" "$work/$pod.log") || { tail -n 3 "$work/$pod.log" >&2; return 1; } ;;
    esac
  done
  (run_container "$namespace" "$pod" containers 0 "$work/$pod.log") & container_pid=$!
  pids+=("$container_pid")
}

# NAMESPACE POD NODE: what a scheduler does.
bind_pod() {
  printf '{"apiVersion":"v1","kind":"Binding","metadata":{"name":"%s"},"target":{"apiVersion":"v1","kind":"Node","name":"%s"}}' "$2" "$3" >"$work/binding"
  kc create --raw "/api/v1/namespaces/$1/pods/$2/binding" -f "$work/binding" >/dev/null
}
# NAMESPACE POD ADDRESS: what kubelet tells of a pod that runs.
pod_runs() {
  local name now
  name=$(kc -n "$1" get pod "$2" -o jsonpath='{.spec.containers[0].name}')
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  kc -n "$1" patch pod "$2" --subresource=status --type=merge -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$3\",\"podIPs\":[{\"ip\":\"$3\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"$now\"},{\"type\":\"ContainersReady\",\"status\":\"True\",\"lastTransitionTime\":\"$now\"}],\"containerStatuses\":[{\"name\":\"$name\",\"image\":\"tapir\",\"imageID\":\"tapir\",\"ready\":true,\"started\":true,\"restartCount\":0,\"state\":{\"running\":{\"startedAt\":\"$now\"}}}]}}" >/dev/null
}
