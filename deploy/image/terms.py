"""The terms of what is linked into the program: texts as the packages carry them, each once.

Most licences want their text and the names in it handed on with the program. Debian's libraries have files of their own.
"""
import pathlib

NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")


def texts(folder):
    """Files of terms at the top of a package."""
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name.upper().startswith(NAMES)]
    return [path.read_text(errors="replace").replace("\r\n", "\n").strip() for path in files]


def document(packages):
    """`packages`: (name for people, its licence, its folder). Packages of one text stand above it."""
    by_text, bare = {}, []
    for name, licence, folder in packages:
        found = texts(pathlib.Path(folder))
        for text in found:
            by_text.setdefault(text, []).append(name)
        if not found:
            bare.append(f"{name}: {licence or 'says nothing'}")
    parts = ["Texts of licences of what is linked into tapir, as its packages carry them.\n"]
    for text, names in sorted(by_text.items(), key=lambda entry: sorted(entry[1])):
        parts.append(f"{'=' * 78}\n{', '.join(sorted(set(names)))}\n{'-' * 78}\n{text}\n")
    if bare:
        parts.append(f"{'=' * 78}\nWithout a text of their own, by what they state:\n" + "\n".join(sorted(bare)) + "\n")
    return "\n".join(parts).encode()
