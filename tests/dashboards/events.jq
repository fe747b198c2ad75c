# Alerts as an agent in a cluster would have written them: parties named, an inspection, every band of severity.
# Input: `tapir scan --format tapir demo/attacks.pcap`, slurped. A capture alone has none of these.
def workload($name; $hash):
  {namespace: "hipstershop", pod: "\($name)-\($hash)", uid: "uid-\($hash)", owner_kind: "Deployment", owner_name: $name, service: $name};
def band: [["Critical", 1], ["Informational", 4], ["Minor", 3]];
to_entries[] | .key as $n | .value
| .inspection = {namespace: "hipstershop", name: "sample-dpi-frontend"}
| .client = workload("loadgenerator"; "6f9c8d7b5-x2x7k")
| .server = workload("frontend"; "77b88cc7cb-nwx6t")
| if $n < 3 then .rule.metadata += [["signature_severity", band[$n][0]]] | .rule.priority = band[$n][1] else . end
