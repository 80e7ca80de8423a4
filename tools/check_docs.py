"""Holds the docs to the code: links, commands, options, signatures, kinds, settings, counts.

    make check                              # among the rest
    python tools/check_docs.py --fix        # writes docs/api.md's signatures anew from the sources

docs/api.md shows each exported function and class in a ```pyi block of its own. The blocks of code
themselves are run by tests/docs/test_docs_code.py.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import catalog_page
import click
from signatures import exported, is_described, met, stub

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
API = DOCS / "api.md"
CLI = DOCS / "cli.md"

FENCE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
STUB = re.compile(r"^```pyi\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every page a reader may come by."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted(DOCS.rglob("*.md")),
        *sorted(ROOT.glob("examples/**/*.md")),
    ]


def anchors(text: str) -> set[str]:
    """The #fragments of a page: its headings as GitHub spells them, and explicit ones."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        number = 0
        unique = slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def broken_links() -> Iterator[str]:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for pair in LINK.findall(FENCE.sub("", text)):
            target = pair[0] or pair[1]
            if re.match(r"[a-z][a-z+.-]*:", target):
                continue  # another site: not ours to hold
            path, _, fragment = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            where = page.relative_to(ROOT)
            if not file.exists():
                yield f"{where}: the link to {target} leads nowhere"
            elif fragment and file.suffix == ".md":
                if fragment not in anchors(file.read_text(encoding="utf-8")):
                    yield f"{where}: {target}: that page has no heading #{fragment}"


def sections(text: str) -> dict[str, str]:
    """{heading: what stands below it, up to the next heading of its rank or higher}."""
    blank = FENCE.sub(lambda match: " " * len(match.group()), text)
    marks = [
        (m.start(), m.end(), m.group().split(" ")[0].count("#")) for m in HEADING.finditer(blank)
    ]
    result = {}
    for index, (start, end, rank) in enumerate(marks):
        after = [other for other, _, r in marks[index + 1 :] if r <= rank]
        heading = text[start:end].lstrip("#").strip().strip("`")
        result[heading] = text[end : after[0] if after else len(text)]
    return result


def commands() -> Iterator[tuple[str, click.Command]]:
    """("surefoot catalog list", its command), … of the whole command line."""
    import surefoot.cli as cli

    groups = [value for value in vars(cli).values() if isinstance(value, click.Group)]
    if not groups:
        raise LookupError(
            "surefoot.cli shows no click.Group: tools/check_docs.py cannot see its commands"
        )
    top = max(groups, key=lambda group: len(group.commands))
    yield from _walk("surefoot", top)


def _walk(path: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):  # asks lazy groups, too
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from _walk(f"{path} {name}", command)
        else:
            yield f"{path} {name}", command


def undocumented_commands() -> Iterator[str]:
    if not CLI.exists():
        yield "docs/cli.md is missing"
        return
    known = sections(CLI.read_text(encoding="utf-8"))
    for path, command in commands():
        texts = [text for heading, text in known.items() if _is_about(heading, path)]
        if not texts:
            yield f"docs/cli.md has no section headed `{path}`"
            continue
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                long = max(parameter.opts, key=len)
                if long != "--help" and not any(re.search(rf"{long}(?![\w-])", t) for t in texts):
                    yield f"docs/cli.md: the section `{path}` does not tell of {long}"


def _is_about(heading: str, path: str) -> bool:
    """`surefoot run TARGET` is about "surefoot run"; so is "surefoot catalog list"."""
    return re.match(rf"{re.escape(path)}(?![\w-])", heading) is not None


def wrong_signatures() -> Iterator[str]:
    if not API.exists():
        yield "docs/api.md is missing"
        return
    text = API.read_text(encoding="utf-8")
    shown = {_name(block): block.strip() for block in STUB.findall(text)}
    for name, value in {**exported(), **met()}.items():
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            yield f"docs/api.md does not mention {name}"
        elif is_described(value) and name not in shown:
            yield f"docs/api.md has no ```pyi block of {name} (--fix writes it)"
        elif is_described(value) and not _same(shown[name], stub(value)):
            yield f"docs/api.md: the signature of {name} is not the code's (--fix writes it)"
    for name in shown.keys() - exported().keys() - met().keys():
        yield f"docs/api.md describes {name}, which surefoot does not export"


def _same(shown: str, wanted: str) -> bool:
    """Whether two stubs say the same; `ruff format` lays those of a page out in its own way."""
    try:
        return ast.dump(ast.parse(shown)) == ast.dump(ast.parse(wanted))
    except SyntaxError:
        return False


def _name(block: str) -> str:
    found = re.search(r"^(?:async )?(?:def|class) (\w+)", block, re.MULTILINE)
    return found.group(1) if found else ""


def fix_signatures() -> None:
    """Writes each ```pyi block of docs/api.md anew; names without one get one at the end."""
    text = API.read_text(encoding="utf-8") if API.exists() else "# The public names\n"
    every = {**exported(), **met()}
    names = {name: value for name, value in every.items() if is_described(value)}

    def renewed(match: re.Match[str]) -> str:
        name = _name(match.group(1))
        if name not in names or _same(match.group(1), stub(names[name])):
            return match.group()
        return f"```pyi\n{stub(names[name])}\n```"

    text = STUB.sub(renewed, text)
    shown = {_name(block) for block in STUB.findall(text)}
    for name, value in names.items():
        if name not in shown:
            about = (getattr(value, "__doc__", "") or "").strip().split("\n\n")[0]
            text += f"\n## `{name}`\n\n{about}\n\n```pyi\n{stub(value)}\n```\n"
    API.write_text(text, encoding="utf-8")


def untold_words() -> Iterator[str]:
    """Every kind and every environment variable stands somewhere in the docs."""
    from surefoot.model import BUILTIN_KINDS

    text = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    words = set(re.findall(r"\w+", text))
    for kind in BUILTIN_KINDS:
        if f"`{kind}`" not in text:
            yield f"no page tells of the kind {kind}"
    sources = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    for variable in sorted(set(re.findall(r"\bSUREFOOT_[A-Z_]+[A-Z]\b", sources)) - words):
        yield f"no page tells of the environment variable {variable}"


def wrong_counts() -> Iterator[str]:
    """ "57 kinds", "212 rules" in a page are today's numbers. (The changelog tells of other days.)"""
    from surefoot.model import BUILTIN_KINDS

    rules = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src" / "surefoot" / "catalog" / "rules").glob("*.toml")
    )
    actual = {
        "kinds": len(BUILTIN_KINDS),
        "rules": len(re.findall(r"^\[\[rule\]\]", rules, re.MULTILINE)),
    }
    for page in pages():
        if page.name == "CHANGELOG.md" or "adr" in page.parts:
            continue
        for number, what in re.findall(
            r"\b(\d[\d,]*)\s+(?:built-in\s+)?(kinds|rules)\b", page.read_text(encoding="utf-8")
        ):
            if int(number.replace(",", "")) != actual[what]:
                yield f"{page.relative_to(ROOT)} says {number} {what}; there are {actual[what]}"


def stale_catalog() -> Iterator[str]:
    if catalog_page.stale():
        yield "docs/catalog.md is not the catalog's: python tools/catalog_page.py writes it"


def main(arguments: list[str]) -> int:
    if "--fix" in arguments:
        fix_signatures()
    problems = [
        *broken_links(),
        *undocumented_commands(),
        *wrong_signatures(),
        *untold_words(),
        *wrong_counts(),
        *stale_catalog(),
    ]
    for problem in problems:
        print(problem)
    print(f"docs: {len(pages())} pages, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
