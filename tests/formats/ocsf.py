#!/usr/bin/env python3
"""OCSF documents, one a line on standard input, held against the schema of the version and profiles that each names.

The schema is OCSF's own, compiled, as the package ocsf-json-schema carries it; unknown attributes are errors in it. Beyond it:
numbers of enumerations stand beside the right words, `type_uid` is class and activity, what is deprecated is not used, and every
path of `observables` leads to its value.
"""
import json
import re
import sys

import jsonschema_rs
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from verdict import Verdict

SCHEMAS, VALIDATORS = {}, {}


def schema(version):
    if version not in SCHEMAS:
        SCHEMAS[version] = get_ocsf_schema(version=version)
    return SCHEMAS[version]


def validator(document):
    metadata = document["metadata"]
    key = (metadata["version"], document["class_uid"], tuple(metadata["profiles"]))
    if key not in VALIDATORS:
        made = OcsfJsonSchemaEmbedded(schema(key[0]))
        VALIDATORS[key] = jsonschema_rs.validator_for(
            made.get_class_schema(class_name=made.lookup_class_name_from_uid(key[1]), profiles=list(key[2])))
    return VALIDATORS[key]


def words(value, attributes, objects, path=""):
    """Of each enumeration with a sibling text, whether the text is that of the number; and what is deprecated."""
    for name, inner in value.items():
        known = attributes.get(name)
        if known is None:
            continue
        here = f"{path}.{name}"
        if "@deprecated" in known:
            yield f"{here} is deprecated: {known['@deprecated'].get('message')}"
        sibling = known.get("sibling")
        if sibling in value and known.get("enum") and not isinstance(inner, list):
            caption = known["enum"].get(str(inner), {}).get("caption")
            if caption not in (value[sibling], "Other"):
                yield f"{here} is {inner}, which is {caption}, and {sibling} says {value[sibling]}"
        if known.get("type") == "object_t" and known.get("object_type") in objects:
            for one in inner if isinstance(inner, list) else [inner]:
                if isinstance(one, dict):
                    yield from words(one, objects[known["object_type"]]["attributes"], objects, here)


def at(value, path):
    for part in re.findall(r"\w+|\[\d+\]", path):
        try:
            value = value[int(part[1:-1])] if part[0] == "[" else value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def wrong(document):
    """Everything that is wrong with a document."""
    for error in validator(document).iter_errors(document):
        yield f"{'.'.join(str(part) for part in error.instance_path)}: {str(error.message)[:300]}"
    if document["type_uid"] != document["class_uid"] * 100 + document["activity_id"]:
        yield "type_uid is not class and activity"
    compiled = schema(document["metadata"]["version"])
    name = next(name for name, one in compiled["classes"].items() if one["uid"] == document["class_uid"])
    yield from words(document, compiled["classes"][name]["attributes"], compiled["objects"])
    for evidence in document.get("evidences", []):
        if re.search(r":\d+$", evidence.get("http_request", {}).get("url", {}).get("hostname", "")):
            yield "http_request.url.hostname has a port"
        if evidence.get("query", {}).get("type", "A").isdigit():
            yield "query.type is a number"
    for one in document.get("observables", []):
        if str(at(document, one["name"])) != one["value"]:
            yield f"observable {one['name']} is {at(document, one['name'])}, not {one['value']}"


def damaged(document):
    """Copies that must be refused."""
    yield "an attribute that OCSF does not know", {**document, "bogus": 1}
    yield "a severity that there is not", {**document, "severity_id": 77}
    yield "the word of another severity", {**document, "severity": "Fatal"}
    yield "no finding", {name: value for name, value in document.items() if name != "finding_info"}
    yield "an observable that is nowhere", {**document, "observables": [{"name": "evidences[7].data", "type_id": 0, "value": "x"}]}


Verdict("ocsf").run((json.loads(line) for line in sys.stdin), wrong, damaged)
