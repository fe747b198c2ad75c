"""How the checks of formats report: each kind of fault once, with how often and the first document that has it."""
import sys


class Verdict:
    def __init__(self, name):
        self.name = name

    def run(self, documents, wrong, damaged):
        """`wrong(document)` yields faults, `damaged(document)` (what was done, copy) pairs that must have one. Ends the program."""
        count, faults, first = 0, {}, None
        for document in documents:
            count += 1
            first = document if first is None else first
            for fault in wrong(document):
                times, where = faults.get(fault, (0, count))
                faults[fault] = (times + 1, where)
        for fault, (times, where) in sorted(faults.items(), key=lambda item: -item[1][0])[:40]:
            print(f"FAILED  {self.name}: {times} times, first in line {where}: {fault}")
        failed = len(faults)
        unnoticed = 0
        for what, copy in damaged(first) if first is not None else ():
            if not any(True for _ in wrong(copy)):
                unnoticed += 1
                print(f"FAILED  {self.name}: a document with {what} passes")
        if not count:
            print(f"FAILED  {self.name}: no documents")
        elif not failed and not unnoticed:
            print(f"ok      {self.name}: {count} documents")
        sys.exit(1 if failed or unnoticed or not count else 0)
