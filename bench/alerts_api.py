"""Times of the manager's API over its HTTP, on one kept connection: alerts_api.py URL TOKEN. Milliseconds, first and median of 9."""
import http.client
import json
import sys
import time
import urllib.parse

url, token = sys.argv[1:3]
host = urllib.parse.urlsplit(url).netloc
connection = http.client.HTTPConnection(host, timeout=60)
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def call(method, path, body=None):
    connection.request(method, "/api/v1/" + path, body=body and json.dumps(body), headers=headers)
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        sys.exit(f"{method} {path}: {answer.status} {data[:300]!r}")
    return json.loads(data)


def timed(name, method, path, body=None):
    times = []
    for _ in range(9):
        start = time.perf_counter()
        answer = call(method, path, body)
        times.append((time.perf_counter() - start) * 1000)
    print(f"{name:44} {times[0]:8.1f} {sorted(times)[4]:8.1f}")
    return answer


quote = urllib.parse.quote
timed("groups, first page, 30 days", "GET", "groups?from=now-31d&limit=100")
timed("groups, first page, a day", "GET", "groups?limit=100")
timed("groups, severity>=high ns:team-7", "GET", f"groups?from=now-31d&limit=100&q={quote('severity>=high ns:team-7')}")
timed("groups, a network", "GET", f"groups?from=now-31d&limit=100&q={quote('ip:203.0.16.0/20')}")
timed("groups, a word of the message", "GET", f"groups?from=now-31d&limit=100&q={quote('request')}")
timed("rows by rule, a day", "GET", "groups?by=sig&limit=100")
timed("rows by workload, a day", "GET", "groups?by=workload&limit=100")
timed("rows by source, a day", "GET", "groups?by=source&limit=100")
timed("rows by source, 30 days", "GET", "groups?by=source&from=now-31d&limit=100")
top = timed("groups by count", "GET", "groups?from=now-31d&limit=100&sort=count")
timed("events, first page, a namespace", "GET", f"events?from=now-31d&limit=100&q={quote('ns:team-7')}")
timed("histogram, 30 days", "GET", "stats/histogram?from=now-31d&buckets=60")
timed("facets, a day", "GET", "stats/facets?fields=severity,namespace,service")
busiest = top["items"][0]
print(f"the busiest group has {busiest['count']} events")
timed("preview of quieting it, 30 days", "POST", "tuning/preview", {"group": busiest["id"], "days": 30})
