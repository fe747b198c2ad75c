#!/usr/bin/env python3
"""Grafana's dashboard held against what a running manager exposes and what a real Prometheus makes of it.

usage: tests/dashboards/grafana.py DASHBOARD.json METRICS-URL PROMETHEUS-URL

The dashboard must be one that Grafana's own object model takes and gives back whole. Each metric that it names must be in
the manager's text; each query of each panel, and each list of a variable, must have a result in Prometheus. The last checks
are that a query over a metric that nobody has, and a member that Grafana does not know, are noticed.
"""
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
import grafana_foundation_sdk.cog.plugins as plugins

# What the variables of the dashboard stand for while it is looked at.
CHOSEN = {"$job": ".*", "$instance": ".*", "$__rate_interval": "8s"}
passed = failed = 0


def verdict(what, wrong):
    global passed, failed
    if wrong:
        failed += 1
        print(f"FAILED  {what}: {wrong}")
    else:
        passed += 1
        print(f"ok      {what}")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def result(prometheus, expression):
    """What is wrong with an instant query's answer; None if there are numbers."""
    for name, value in CHOSEN.items():
        expression = expression.replace(name, value)
    try:
        answer = json.loads(get(f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
    except urllib.error.HTTPError as error:
        return json.loads(error.read()).get("error", str(error))
    rows = answer["data"]["result"]
    if not rows:
        return "no result"
    return None if any(row["value"][1] != "NaN" for row in rows) else "only NaN"


def lost(wanted, got, path=""):
    """Where `got` lacks something of `wanted`."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            if not isinstance(got, dict) or name not in got:
                # What is empty by default is not written.
                if value not in (None, "", [], {}, False, 0):
                    return f"{path}.{name}"
            elif (inner := lost(value, got[name], f"{path}.{name}")):
                return inner
        return None
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(wanted) != len(got):
            return path
        return next((inner for n, value in enumerate(wanted) if (inner := lost(value, got[n], f"{path}[{n}]"))), None)
    return None if wanted == got else path


def through_grafana(board):
    return json.loads(JSONEncoder().encode(Dashboard.from_json(board)))


def main():
    path, metrics_url, prometheus = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        board = json.load(file)
    plugins.register_default_plugins()
    verdict("Grafana's model gives the dashboard back whole", lost(board, through_grafana(board)))
    text = get(metrics_url)
    known = set(re.findall(r"^([a-z_]+)", text, re.M))
    named = sorted(set(re.findall(r"\btapir_\w+", json.dumps(board))))
    verdict(f"{len(named)} metrics are named", None if named else "none")
    for name in named:
        verdict(f"the manager exposes {name}", None if name in known else "it does not")
    cells = {}
    for panel in board["panels"]:
        for target in panel["targets"]:
            verdict(f"{panel['title']}: {target['legendFormat'] or target['refId']}", result(prometheus, target["expr"]))
        grid = panel["gridPos"]
        for cell in [(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])]:
            if cells.setdefault(cell, panel["id"]) != panel["id"] or cell[0] > 23:
                verdict(f"{panel['title']} has a place of its own", f"overlap at {cell}")
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            verdict(f"variable {variable['name']}", result(prometheus, inner[1]) if inner else "not understood")
    verdict("a metric that nobody has is noticed", None if result(prometheus, "tapir_nobody_has_this") else "it is not")
    board["panels"][0]["noSuchMember"] = 1
    verdict("a member that Grafana does not know is noticed", None if lost(board, through_grafana(board)) else "it is not")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
