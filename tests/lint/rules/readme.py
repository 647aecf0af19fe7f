# SPDX-License-Identifier: ISC
"""README.md is short, and the files that it sends people to exist."""

import re

LINES = 120
BAD = [{"README.md": "x\n" * 121},
       {"README.md": "See `tests/nothing` and [there](NOTHING.md).\n"}]


def check(tree):
    if "README.md" not in tree.paths:
        if "meson.build" in tree.paths:
            yield "README.md does not exist"
        return
    text = tree.text("README.md")
    if len(text.splitlines()) > LINES:
        yield f"README.md has more than {LINES} lines"
    named = re.findall(r"\]\(([\w./-]+)\)", text)
    named += re.findall(r"`((?:contrib|tests|man|schema|common)/[\w./-]+)`",
                        text)
    for path in named:
        if not (tree.root / path).exists():
            yield f"README.md names {path}, which does not exist"
