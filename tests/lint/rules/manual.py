# SPDX-License-Identifier: ISC
"""The manual pages are sound mdoc, and no table that groff breaks up."""

import re
import subprocess

BAD = [{"man/a.8": ".Dd January 1, 2026\n.Dt A 8\n.Os\n.Sh SYNOPSIS\n.Xx\n"},
       {"man/a.5": ".Bl -column a b\n.It a Ta b\n.El\n"}]


def check(tree):
    pages = [path for path in tree.paths
             if re.fullmatch(r"man/[\w.-]+\.[1-9]", path)]
    for page in pages:
        done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page],
                              cwd=tree.root, capture_output=True, text=True)
        yield from done.stdout.splitlines()
        # what is wider than its column comes a word a line, half a page aside
        if re.search(r"^\.Bl .*-column", tree.text(page), re.M):
            yield f"{page}: a list with columns"
