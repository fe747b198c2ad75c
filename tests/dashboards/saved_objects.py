#!/usr/bin/env python3
"""Saved objects held against their form, and everything that they ask against a server with Tapir's documents.

usage: OPENSEARCH_URL=http://127.0.0.1:PORT tests/dashboards/saved_objects.py FILE.ndjson...

There is no OpenSearch Dashboards or Kibana to import into (tests/dashboards/README.md), so this does what they would:
every reference resolves, every field exists and can be aggregated, every chart and every saved search is run as the
query that it stands for and has results, every column has a value in some document, each band of severity an alert.
That the checks can fail is checked too: damaged copies of each file must be refused.

One line a check, then "N passed, N failed". Exit 0 only if none failed. Python's standard library only.
"""
import copy
import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("OPENSEARCH_URL") or sys.exit("where is the server? tests/opensearch/run.sh sets OPENSEARCH_URL")
INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
TYPES = {"index-pattern", "search", "visualization", "dashboard"}
# Which places ("schemas") of a chart take which aggregations.
PLACES = {
    "histogram": {"metric": {"count"}, "segment": {"date_histogram"}, "group": {"filters", "terms"}},
    "table": {"metric": {"count", "max"}, "bucket": {"terms"}},
    "metric": {"metric": {"count", "cardinality"}},
}


class Wrong(Exception):
    """What is wrong with an object, and with which."""


def must(condition, what):
    if not condition:
        raise Wrong(what)


def ask(path, body=None):
    request = urllib.request.Request(f"{URL}/{path}", method="GET" if body is None else "POST", headers={"Content-Type": "application/json"},
                                     data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Wrong(f"the server refused {path}: {error.code} {error.read(400).decode(errors='replace')}") from None


class Objects:
    """The objects of a file, by type and id."""

    def __init__(self, lines):
        self.all = {}
        for one in lines:
            must(one.get("type") in TYPES, f"unknown type {one.get('type')}")
            key = (one["type"], one.get("id"))
            must(key not in self.all, f"twice: {key}")
            must(set(one) == {"attributes", "id", "migrationVersion", "references", "type"}, f"{key}: members {sorted(one)}")
            must(list(one["migrationVersion"]) == [one["type"]], f"{key}: migrationVersion")
            must(one["attributes"].get("title"), f"{key}: no title")
            self.all[key] = one

    def referred(self, one, name, kind=None):
        found = [r for r in one["references"] if r["name"] == name]
        must(len(found) == 1, f"{one['id']}: {len(found)} references are named {name}")
        target = self.all.get((found[0]["type"], found[0]["id"]))
        must(target, f"{one['id']}: {name} refers to {found[0]['type']} {found[0]['id']}, which is not in the file")
        must(kind is None or target["type"] == kind, f"{one['id']}: {name} is a {target['type']}")
        return target

    def of(self, kind):
        return [one for (what, _), one in sorted(self.all.items()) if what == kind]


def source(objects, one):
    """Data view and query of a search or chart."""
    found = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    must(found["filter"] == [], f"{one['id']}: this test knows no filters")
    return objects.referred(one, found["indexRefName"], "index-pattern"), clause(found["query"], one)


def clause(query, one):
    must(query["language"] == "lucene", f"{one['id']}: language {query['language']}")
    if not query["query"]:
        return {"match_all": {}}
    return {"query_string": {"query": query["query"], "analyze_wildcard": True, "time_zone": "UTC"}}


class View:
    """A data view and the fields that the server has in its indices."""

    def __init__(self, one):
        self.title, self.time = one["attributes"]["title"], one["attributes"]["timeFieldName"]
        self.fields = ask(f"{self.title}/_field_caps?fields=*")["fields"]
        kinds = self.fields.get(self.time, {})
        must(kinds and all(kind in ("date", "date_nanos") for kind in kinds), f"{self.title}: {self.time} is no date: {sorted(kinds)}")

    def field(self, name, whose, aggregated):
        kinds = self.fields.get(name)
        must(kinds, f"{whose}: no field {name} in {self.title}")
        must(len(kinds) == 1, f"{whose}: {name} has several types: {sorted(kinds)}")
        must(not aggregated or all(kind["aggregatable"] for kind in kinds.values()), f"{whose}: {name} cannot be aggregated")

    def search(self, query, **more):
        ranged = {"bool": {"filter": [query, {"range": {self.time: {"gte": "2020-01-01T00:00:00Z", "lte": "now+1y"}}}]}}
        return ask(f"{self.title}/_search", {"query": ranged, "track_total_hits": True, **more})


def values(document, path):
    """What a document has at a dotted path, through arrays."""
    found = [document]
    for name in path.split("."):
        found = [inner.get(name) for item in found for inner in (item if isinstance(item, list) else [item]) if isinstance(inner, dict)]
    return [value for value in found if value not in (None, "", [], {})]


def saved_search(view, query, one):
    attributes = one["attributes"]
    must(attributes["columns"], f"{one['id']}: no columns")
    for name, order in attributes["sort"]:
        view.field(name, one["id"], True)
        must(order in ("asc", "desc"), f"{one['id']}: order {order}")
    answer = view.search(query, size=100, sort=[{name: order} for name, order in attributes["sort"]])
    hits = [hit["_source"] for hit in answer["hits"]["hits"]]
    must(hits, f"{one['id']}: nothing found")
    for column in attributes["columns"]:
        view.field(column, one["id"], False)
        must(any(values(hit, column) for hit in hits), f"{one['id']}: no document has {column}")
    return f"{answer['hits']['total']['value']} alerts, {len(attributes['columns'])} columns"


def request(view, one, state):
    """The aggregation that a chart stands for: buckets one inside the other, metrics in each."""
    aggs, places = state["aggs"], PLACES.get(state["type"])
    must(places, f"{one['id']}: this test knows no chart {state['type']}")
    must(len({agg["id"] for agg in aggs}) == len(aggs), f"{one['id']}: an aggregation's id is there twice")
    metrics, buckets = {}, []
    for agg in aggs:
        params = agg["params"]
        must(agg["enabled"] and agg["type"] in places.get(agg["schema"], ()), f"{one['id']}: {agg['type']} as {agg['schema']}")
        if "field" in params:
            view.field(params["field"], one["id"], True)
        if agg["schema"] == "metric":
            if agg["type"] != "count":
                metrics[agg["id"]] = {agg["type"]: {"field": params["field"]}}
        elif agg["type"] == "terms":
            ids = {other["id"]: other["type"] for other in aggs if other["schema"] == "metric"}
            must(params["orderBy"] in ids, f"{one['id']}: sorted by {params['orderBy']}, which is no metric")
            by = "_count" if ids[params["orderBy"]] == "count" else params["orderBy"]
            buckets.append((agg["id"], {"terms": {"field": params["field"], "size": params["size"], "order": {by: params["order"]}}}))
        elif agg["type"] == "date_histogram":
            must(params["field"] == view.time, f"{one['id']}: time is {params['field']}, the view's {view.time}")
            buckets.append((agg["id"], {"date_histogram": {"field": params["field"], "fixed_interval": "1h", "min_doc_count": 1}}))
        else:
            by = {f["label"]: clause(f["input"], one) for f in params["filters"]}
            must(len(by) == len(params["filters"]), f"{one['id']}: two filters of one label")
            buckets.append((agg["id"], {"filters": {"filters": by}}))
    inner = metrics
    for ident, body in reversed(buckets):
        inner = {ident: {**body, **({"aggs": inner} if inner else {})}}
    return inner, [ident for ident, _ in buckets], metrics


def chart(view, query, one):
    state = json.loads(one["attributes"]["visState"])
    must(state["title"] == one["attributes"]["title"], f"{one['id']}: two titles")
    aggs, levels, metrics = request(view, one, state)
    answer = view.search(query, size=0, aggs=aggs)
    must(answer["hits"]["total"]["value"] > 0, f"{one['id']}: nothing found")
    rows = [answer.get("aggregations", {})]
    for ident in levels:
        found, seen = [], {}
        for row in rows:
            got = row[ident]["buckets"]
            for label, inner in got.items() if isinstance(got, dict) else ((b["key"], b) for b in got):
                seen[label] = seen.get(label, 0) + inner["doc_count"]
                found += [inner] if inner["doc_count"] else []
        empty = [label for label, n in seen.items() if n == 0]
        must(found and not empty, f"{one['id']}: no alerts in {empty or 'any bucket'} of aggregation {ident}")
        rows = found
    for ident in metrics:
        must(all(row[ident]["value"] for row in rows), f"{one['id']}: metric {ident} is empty")
    return f"{state['type']}, {len(rows)} rows of {answer['hits']['total']['value']} alerts"


def dashboard(objects, one):
    panels = json.loads(one["attributes"]["panelsJSON"])
    json.loads(one["attributes"]["optionsJSON"])
    must(panels and len(panels) == len(one["references"]), f"{one['id']}: {len(panels)} panels, {len(one['references'])} references")
    taken = {}
    for panel in panels:
        objects.referred(one, panel["panelRefName"])
        grid = panel["gridData"]
        must(grid["i"] == panel["panelIndex"] and grid["x"] + grid["w"] <= 48, f"{one['id']}: panel {panel['panelIndex']} is out of place")
        for cell in [(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])]:
            must(cell not in taken, f"{one['id']}: panels {taken.get(cell)} and {panel['panelIndex']} overlap")
            taken[cell] = panel["panelIndex"]
    return f"{len(panels)} panels"


def check(lines, report):
    objects = Objects(lines)
    views = {one["id"]: View(one) for one in objects.of("index-pattern")}
    must(views, "no data view")
    for one in objects.of("search") + objects.of("visualization"):
        data_view, query = source(objects, one)
        run = saved_search if one["type"] == "search" else chart
        report(f"{one['attributes']['title']}: {run(views[data_view['id']], query, one)}")
    for one in objects.of("dashboard"):
        report(f"{one['attributes']['title']}: {dashboard(objects, one)}")
    must(objects.of("dashboard"), "no dashboard")


def damaged(lines):
    """Copies that must be refused: (what was done, lines)."""
    def change(kind, act):
        bad = copy.deepcopy(lines)
        act(next(one for one in bad if one["type"] == kind))
        return bad

    def in_state(act):
        def change_state(one):
            state = json.loads(one["attributes"]["visState"])
            act(state["aggs"])
            one["attributes"]["visState"] = json.dumps(state)
        return change_state

    def no_such_query(one):
        meta = one["attributes"]["kibanaSavedObjectMeta"]
        meta["searchSourceJSON"] = meta["searchSourceJSON"].replace('"query":"', '"query":"host:nobody AND ', 1)

    yield "a field that no index has", change("search", lambda one: one["attributes"]["columns"].append("no.such.field"))
    yield "another time field", change("index-pattern", lambda one: one["attributes"].update(timeFieldName="host"))
    yield "an object left out", [one for one in lines if one["type"] != "search"]
    yield "a query that finds nothing", change("search", no_such_query)
    yield "a chart over a missing field", change("visualization", in_state(lambda aggs: aggs[1]["params"].update(field="no_such")))
    yield "two aggregations of one id", change("visualization", in_state(lambda aggs: aggs[1].update(id="1")))


def main():
    passed = failed = 0

    def good(text):
        nonlocal passed
        passed += 1
        print(f"ok      {text}")

    def bad(text):
        nonlocal failed
        failed += 1
        print(f"FAILED  {text}")

    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        try:
            check(lines, good)
        except (Wrong, KeyError, ValueError) as error:
            bad(f"{os.path.basename(name)}: {error if isinstance(error, Wrong) else repr(error)}")
        for what, copied in damaged(lines):
            try:
                check(copied, lambda _: None)
                bad(f"{os.path.basename(name)} with {what}: not noticed")
            except Wrong as error:
                good(f"{os.path.basename(name)} with {what} is refused: {str(error)[:120]}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
