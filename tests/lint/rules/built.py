# SPDX-License-Identifier: ISC
"""Every unit test is in the table of meson.build, or nobody runs it."""

import re

BAD = [{"meson.build": "unit_tests = {\n  'b': [[], []],\n}\n",
        "tests/unit/test_a.c": "int\nmain(void)\n{\n\treturn 0;\n}\n"}]


def check(tree):
    table = tree.text("meson.build")
    for path in tree.matching(".c"):
        found = re.fullmatch(r"tests/unit/test_(\w+)\.c", path)
        if found and f"  '{found[1]}': " not in table:
            yield f"{path}:1: meson.build has no unit test {found[1]!r}"
