#!/usr/bin/env python3
"""Writes the dashboards of this folder: saved objects (NDJSON) and Grafana's JSON.

usage: make.py [--check]

Saved objects keep JSON inside JSON strings, which nobody can review; so this file is their source, and what it writes
is committed beside it. `--check` writes nothing and fails when a written file is not what this one says.

The saved objects are in the form of Kibana 7.10, which is the last one that OpenSearch Dashboards shares, and which
later ones migrate on import. Queries are Lucene's: both products pass them to the server as they are, so that
tests/dashboards can ask a server the very same.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Of each type, the version whose form this is; importers migrate from there on.
FORMS = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
# The bands are those of crates/event/src/level.rs.
LEVELS = [("Critical", "[95 TO *]"), ("High", "[80 TO 94]"), ("Medium", "[60 TO 79]"), ("Low", "[30 TO 59]"), ("Info", "[* TO 29]")]
COLOURS = {"Critical": "#8e1b3a", "High": "#cf222e", "Medium": "#d29922", "Low": "#3b7dd8", "Info": "#8b949e"}


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def saved(kind, ident, attributes, references=()):
    return {"attributes": attributes, "id": ident, "migrationVersion": {kind: FORMS[kind]},
            "references": [{"id": i, "name": n, "type": t} for n, t, i in references], "type": kind}


class Board:
    """The objects over one data view."""

    def __init__(self, prefix, view, time, query, words):
        self.prefix, self.view, self.time, self.query, self.words = prefix, f"{prefix}-events", time, query, words
        self.objects = [saved("index-pattern", self.view, {"title": view, "timeFieldName": time})]
        self.panels = []

    def source(self, more=""):
        return {"searchSourceJSON": compact({
            "filter": [], "indexRefName": INDEX, "query": {"language": "lucene", "query": self.query + more}})}

    def place(self, kind, ident, x, y, w, h):
        self.panels.append((kind, ident, {"x": x, "y": y, "w": w, "h": h}))

    def search(self, name, title, text, columns, at=None, more=""):
        ident = f"{self.prefix}-{name}"
        self.objects.append(saved("search", ident, {
            "columns": columns, "description": text, "hits": 0, "kibanaSavedObjectMeta": self.source(more),
            "sort": [[self.time, "desc"]], "title": f"{title} ({self.words})", "version": 1,
        }, [(INDEX, "index-pattern", self.view)]))
        if at:
            self.place("search", ident, *at)

    def chart(self, name, title, text, kind, params, aggs, at, ui=None):
        ident = f"{self.prefix}-{name}"
        numbered = [{"id": str(n), "enabled": True, **agg} for n, agg in enumerate(aggs, 1)]
        self.objects.append(saved("visualization", ident, {
            "description": text, "kibanaSavedObjectMeta": self.source(), "title": f"{title} ({self.words})",
            "uiStateJSON": compact(ui or {}), "version": 1,
            "visState": compact({"title": f"{title} ({self.words})", "type": kind, "params": params, "aggs": numbered}),
        }, [(INDEX, "index-pattern", self.view)]))
        self.place("visualization", ident, *at)

    def table(self, name, title, text, terms, at, last=True):
        """Terms one below the other, how many alerts each has, and when the last one was."""
        aggs = [count()] + ([{"type": "max", "schema": "metric", "params": {"field": self.time, "customLabel": "Last"}}] if last else [])
        aggs += [bucket(field, label, size) for field, label, size in terms]
        params = {"perPage": 10, "showPartialRows": False, "showMetricsAtAllLevels": False, "showTotal": False,
                  "totalFunc": "sum", "percentageCol": "", "sort": {"columnIndex": None, "direction": None}}
        ui = {"vis": {"params": {"sort": {"columnIndex": None, "direction": None}}}}
        self.chart(name, title, text, "table", params, aggs, at, ui)

    def number(self, name, title, text, agg, at):
        params = {"addLegend": False, "addTooltip": True, "type": "metric", "metric": {
            "colorSchema": "Green to Red", "colorsRange": [{"from": 0, "to": 10000}], "invertColors": False,
            "labels": {"show": True}, "metricColorMode": "None", "percentageMode": False, "useRanges": False,
            "style": {"bgColor": False, "bgFill": "#000", "fontSize": 40, "labelColor": False, "subText": ""}}}
        self.chart(name, title, text, "metric", params, [agg], at)

    def over_time(self, name, title, text, severity, at):
        filters = [{"input": {"language": "lucene", "query": f"{severity}:{band}"}, "label": word} for word, band in LEVELS]
        axis = {"labels": {"filter": True, "show": True, "truncate": 100}, "scale": {"type": "linear"}, "show": True, "style": {}, "title": {}}
        params = {
            "type": "histogram", "addLegend": True, "addTimeMarker": False, "addTooltip": True, "labels": {"show": False},
            "legendPosition": "right", "times": [], "grid": {"categoryLines": False},
            "categoryAxes": [{**axis, "id": "CategoryAxis-1", "position": "bottom", "type": "category"}],
            "valueAxes": [{**axis, "id": "ValueAxis-1", "name": "LeftAxis-1", "position": "left", "type": "value",
                           "scale": {"mode": "normal", "type": "linear"}, "title": {"text": "Alerts"},
                           "labels": {"filter": False, "rotate": 0, "show": True, "truncate": 100}}],
            "seriesParams": [{"data": {"id": "1", "label": "Alerts"}, "drawLinesBetweenPoints": True, "lineWidth": 2, "mode": "stacked",
                              "show": True, "showCircles": True, "type": "histogram", "valueAxis": "ValueAxis-1"}],
            "thresholdLine": {"color": "#E7664C", "show": False, "style": "full", "value": 10, "width": 1}}
        aggs = [count(), {"type": "date_histogram", "schema": "segment", "params": {
                    "field": self.time, "interval": "auto", "min_doc_count": 1, "drop_partials": False, "extended_bounds": {},
                    "useNormalizedEsInterval": True, "scaleMetricValues": False}},
                {"type": "filters", "schema": "group", "params": {"filters": filters}}]
        self.chart(name, title, text, "histogram", params, aggs, at, {"vis": {"colors": COLOURS}})

    def lines(self, title, text):
        panels, references = [], []
        for n, (kind, ident, grid) in enumerate(self.panels):
            panels.append({"embeddableConfig": {}, "gridData": {**grid, "i": str(n)}, "panelIndex": str(n),
                           "panelRefName": f"panel_{n}", "version": FORMS["dashboard"]})
            references.append((f"panel_{n}", kind, ident))
        board = saved("dashboard", f"{self.prefix}-dashboard", {
            "description": text, "hits": 0,
            "kibanaSavedObjectMeta": {"searchSourceJSON": compact({"filter": [], "query": {"language": "lucene", "query": ""}})},
            "optionsJSON": compact({"hidePanelTitles": False, "useMargins": True}), "panelsJSON": compact(panels),
            "refreshInterval": {"pause": True, "value": 0}, "timeFrom": "now-24h", "timeRestore": True, "timeTo": "now",
            "title": title, "version": 1}, references)
        return "".join(compact(one) + "\n" for one in [*self.objects, board])


def count():
    return {"type": "count", "schema": "metric", "params": {"customLabel": "Alerts"}}


def distinct(field, label):
    return {"type": "cardinality", "schema": "metric", "params": {"field": field, "customLabel": label}}


def bucket(field, label, size):
    return {"type": "terms", "schema": "bucket", "params": {
        "field": field, "customLabel": label, "size": size, "order": "desc", "orderBy": "1",
        "otherBucket": False, "otherBucketLabel": "Other", "missingBucket": False, "missingBucketLabel": "Missing"}}


def calico():
    """The incumbent's documents: its own, of every generation, and Tapir's beside them."""
    board = Board("tapir-calico", "tigera_secure_ee_events*", "time",
                  "type:(deep_packet_inspection OR alert)", "Calico layout")
    board.over_time("over-time", "Alerts over time by severity", "Bands of severity as on Tapir's own page.", "severity", (0, 0, 36, 10))
    board.number("count", "Alerts", "All in the chosen time.", count(), (36, 0, 12, 5))
    board.number("rules-hit", "Rules", "How many rules fired.", distinct("record.snort_signature_id", "Rules"), (36, 5, 12, 5))
    board.table("rules", "Top rules", "Which rules fired most. The incumbent's own documents have no rule name and are in the next table only.",
                [("name", "Rule", 20), ("record.snort_signature_id", "sid", 1)], (0, 10, 24, 12))
    board.table("workloads", "Top workloads", "Where the attacked packets went, by namespace and workload.",
                [("dest_namespace", "Namespace", 10), ("dest_name_aggr", "Workload", 10)], (24, 10, 24, 12))
    board.table("clients", "Top clients", "Who sent the packets that rules fired on.", [("source_ip", "Client", 20)], (0, 22, 16, 12))
    board.table("inspections", "Top inspections", "By the resource that asked for the inspection.",
                [("origin", "Origin", 20), ("record.snort_signature_id", "sid", 5)], (16, 22, 16, 12))
    board.table("attack", "Top techniques", "MITRE ATT&CK, as far as rules name it.",
                [("mitre_tactic", "Tactic", 10), ("mitre_ids", "Technique", 10)], (32, 22, 16, 12))
    board.search("alerts", "Alerts", "The columns of the incumbent's list: Description, Type, Origin, with the time in front.",
                 ["description", "type", "origin"], (0, 34, 48, 14))
    board.search("details", "Alerts with parties", "What a row of the incumbent's list shows when it is opened, in its order.",
                 ["severity", "origin", "source_ip", "source_port", "source_namespace", "source_name", "source_name_aggr", "dest_ip",
                  "dest_port", "dest_namespace", "dest_name", "dest_name_aggr", "host", "record.snort_signature_id", "record.snort_alert"],
                 (0, 48, 48, 16))
    board.search("high", "High and critical alerts", "Severity from 80 on; the incumbent's own documents all have 100.",
                 ["severity", "name", "record.snort_signature_id", "source_ip", "dest_namespace", "dest_name", "tapir.visibility"],
                 more=" AND severity:[80 TO *]")
    return board.lines("Tapir: alerts in the incumbent's index",
                       "Deep packet inspection in tigera_secure_ee_events*: Calico's documents and Tapir's, side by side.")


def ecs():
    board = Board("tapir-ecs", "logs-tapir.alert-*", "@timestamp", "event.module:tapir AND event.kind:alert", "ECS")
    board.over_time("over-time", "Alerts over time by severity", "Bands of severity as on Tapir's own page.", "event.severity", (0, 0, 36, 10))
    board.number("count", "Alerts", "All in the chosen time.", count(), (36, 0, 12, 5))
    board.number("rules-hit", "Rules", "How many rules fired.", distinct("event.code", "Rules"), (36, 5, 12, 5))
    board.table("rules", "Top rules", "Which rules fired most.", [("rule.name", "Rule", 20), ("event.code", "gid:sid", 1)], (0, 10, 24, 12))
    board.table("workloads", "Top workloads", "The watched workload of each alert.",
                [("orchestrator.namespace", "Namespace", 10), ("orchestrator.resource.name", "Pod", 10)], (24, 10, 24, 12))
    board.table("clients", "Top clients", "Who opened the conversations in which rules fired.", [("client.ip", "Client", 20)], (0, 22, 16, 12))
    board.table("services", "Protocols", "What was spoken.", [("network.transport", "Transport", 5), ("network.protocol", "Protocol", 10)], (16, 22, 16, 12))
    board.table("attack", "Top techniques", "MITRE ATT&CK, as far as rules name it.",
                [("threat.tactic.name", "Tactic", 10), ("threat.technique.id", "Technique", 10)], (32, 22, 16, 12))
    board.search("alerts", "Alerts", "The incumbent's columns in ECS's names: Description, Type, Origin, with the time in front.",
                 ["rule.name", "rule.category", "labels.inspection"], (0, 34, 48, 14))
    board.search("details", "Alerts with parties", "Severity, origin, both sides, node, rule.",
                 ["event.severity", "labels.inspection", "source.ip", "source.port", "source.domain", "destination.ip", "destination.port",
                  "destination.domain", "orchestrator.namespace", "host.name", "event.code", "event.reason"], (0, 48, 48, 16))
    return board.lines("Tapir: alerts (ECS)", "Tapir's data stream logs-tapir.alert-*.")


# --- Grafana ------------------------------------------------------------------------------------

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
JOB = '{job=~"$job",instance=~"$instance"}'


def grafana():
    panels, row = [], {"x": 0, "y": 0, "h": 0}

    def panel(kind, title, text, queries, width=8, height=8, unit="short", stack=False):
        if row["x"] + width > 24:
            row["x"], row["y"], row["h"] = 0, row["y"] + row["h"], 0
        custom = {"fillOpacity": 30 if stack else 10, "lineWidth": 1, "showPoints": "never",
                  "stacking": {"group": "A", "mode": "normal" if stack else "none"}}
        options = ({"legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
                    "tooltip": {"mode": "multi", "sort": "desc"}} if kind == "timeseries" else
                   {"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
                    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}})
        panels.append({
            "id": len(panels) + 1, "type": kind, "title": title, "description": text, "datasource": SOURCE,
            "gridPos": {"x": row["x"], "y": row["y"], "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": unit, "custom": custom if kind == "timeseries" else {}}, "overrides": []},
            "options": options,
            "targets": [{"datasource": SOURCE, "expr": expr, "legendFormat": legend, "refId": chr(65 + n), "editorMode": "code",
                         "range": True} for n, (expr, legend) in enumerate(queries)]})
        row["x"], row["h"] = row["x"] + width, max(row["h"], height)

    def store(outcome):
        return f'tapir_manager_store{{outcome="{outcome}",job=~"$job",instance=~"$instance"}}'

    def stored(outcome, span):
        return f'sum({span}(tapir_manager_store_counts_total{{outcome="{outcome}",job=~"$job",instance=~"$instance"}}[$__rate_interval]))'

    panel("stat", "Manager up", "Whether the last scrape got an answer.", [(f"up{JOB}", "{{instance}}")], 4, 5)
    panel("stat", "Events kept", "In the store now.", [(f"sum({store('events')})", "")], 4, 5)
    panel("stat", "Groups", "Rows of the inbox, in every state.", [(f"sum({store('groups')})", "")], 4, 5)
    panel("stat", "Store size", "Of the database. `--max-mib` bounds it.", [(f"sum({store('bytes')})", "")], 4, 5, "bytes")
    panel("stat", "Waiting batches", "Handed in by agents, not yet in the store. Should be near 0.", [(f"sum({store('queued_batches')})", "")], 4, 5)
    panel("stat", "Live pages", "Open live streams.", [(f"sum(tapir_manager_streams{JOB})", "")], 4, 5)
    panel("timeseries", "Events from agents", "Stored, seen before, and refused for good (what was refused lies in the agent's dead letters).",
          [(f"sum by (outcome) (rate(tapir_manager_ingested_events_total{JOB}[$__rate_interval]))", "{{outcome}}")], 12, 8, "cps", True)
    panel("timeseries", "Batches pushed back", "The store could not keep up and agents were told to come later. Nothing is lost: they keep it in their spools.",
          [(f"sum(rate(tapir_manager_ingest_pushed_back_total{JOB}[$__rate_interval]))", "pushed back"), (stored("refused_busy", "rate"), "refused by the store")], 12, 8)
    panel("timeseries", "Answers by class", "5xx is a fault of the manager or of its store.",
          [(f"sum by (class) (rate(tapir_manager_requests_total{JOB}[$__rate_interval]))", "{{class}}")], 8, 8, "reqps", True)
    panel("timeseries", "Time to answer", "To the head of the answer; live streams count with their start.",
          [(f"histogram_quantile(0.5, sum by (le) (rate(tapir_manager_request_seconds_bucket{JOB}[$__rate_interval])))", "half"),
           (f"histogram_quantile(0.99, sum by (le) (rate(tapir_manager_request_seconds_bucket{JOB}[$__rate_interval])))", "99 %"),
           (f"sum(rate(tapir_manager_request_seconds_sum{JOB}[$__rate_interval])) / sum(rate(tapir_manager_request_seconds_count{JOB}[$__rate_interval]))", "mean")],
          8, 8, "s")
    panel("timeseries", "Sign-ins", "By outcome. Many refused ones are somebody who guesses.",
          [(f"sum by (outcome) (increase(tapir_manager_sign_ins_total{JOB}[$__rate_interval]))", "{{outcome}}")], 8, 8)
    panel("timeseries", "Store", "Events and groups kept.", [(f"sum({store('events')})", "events"), (f"sum({store('groups')})", "groups")], 8, 8)
    panel("timeseries", "Removed by age or size", "Events that retention took out.", [(stored("removed", "increase"), "removed")], 8, 8)
    panel("timeseries", "Partial answers", "The store gave up looking at a bound.", [(stored("partial_answers", "increase"), "partial")], 8, 8)

    def variable(name, label, query):
        return {"type": "query", "name": name, "label": label, "datasource": SOURCE,
                "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
                "allValue": ".*", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "hide": 0, "options": [], "regex": ""}

    return json.dumps({
        "uid": "tapir-manager", "title": "Tapir manager", "tags": ["tapir"], "editable": True, "schemaVersion": 39, "version": 1,
        "description": "What `tapir manager` counts of itself and its store, from its /metrics.", "refresh": "30s", "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"}, "annotations": {"list": []}, "links": [], "graphTooltip": 1,
        "templating": {"list": [
            {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1, "hide": 0, "options": [],
             "regex": "", "multi": False, "includeAll": False, "current": {}},
            variable("job", "Job", "label_values(tapir_manager_streams, job)"),
            variable("instance", "Instance", 'label_values(tapir_manager_streams{job=~"$job"}, instance)')]},
        "panels": panels}, indent=2, sort_keys=True) + "\n"


def main():
    stale = []
    for name, text in [("calico.ndjson", calico()), ("ecs.ndjson", ecs()), ("grafana.json", grafana())]:
        path = HERE / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"{', '.join(stale)}: not what deploy/dashboards/make.py says; run it and commit what it writes")


main()
