#!/usr/bin/env python3
"""Every call of the API's document, made by those who may not: nobody, and the wrong kind of token.

usage: tests/api/authentication.py DOCUMENT.json URL ADMIN-TOKEN AGENT-TOKEN

A call that the document keeps for people refuses nobody (401) and agents (403); one of agents refuses nobody and the administrator. One
that the document leaves open answers without a token. Python's standard library only.
"""
import json
import sys
import urllib.error
import urllib.request

METHODS = {"get", "put", "post", "delete", "patch"}


def status(method, url, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, method=method.upper(), headers=headers, data=None if method == "get" else b"{}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type()


def main():
    document_path, base, admin, agent = sys.argv[1:]
    with open(document_path, encoding="utf-8") as file:
        document = json.load(file)
    passed = failed = 0
    for path, item in sorted(document["paths"].items()):
        for method in sorted(METHODS & set(item)):
            who = {name for requirement in item[method]["security"] for name in requirement}
            url = base + path.replace("{", "").replace("}", "")
            wrong = []
            if not who:
                if status(method, url)[0] in (403, 405) or path != "/api/v1/session" and status(method, url)[0] == 401:
                    wrong.append("open in the document, refused without a token")
            else:
                for what, token, expected in [("nobody", None, 401), ("the other kind of token", agent if "admin" in who else admin, 403)]:
                    got = status(method, url, token)
                    if got != (expected, "application/problem+json"):
                        wrong.append(f"{what} gets {got[0]} {got[1]}, not {expected}")
            passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
            if wrong:
                print(f"FAILED  {method.upper()} {path}: {'; '.join(wrong)}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
