# SPDX-License-Identifier: ISC
"""Every unit test is in the table of meson.build, or nobody runs it."""

import re

BAD = [{"meson.build": "unit_tests = {\n  'a': [[], [], ['b']],\n}\n",
        "tests/unit/test_a.c": "int\nmain(void)\n{\n\treturn 0;\n}\n"}]


def check(tree):
    table = re.search(r"^unit_tests = \{\n(.*?)^\}", tree.text("meson.build"),
                      re.M | re.S)
    tests = {name for row in re.findall(r"\[([^][]*)\]\]", table[1])
             for name in re.findall(r"'(\w+)'", row)}
    for path in tree.matching(".c"):
        found = re.fullmatch(r"tests/unit/test_(\w+)\.c", path)
        if found and found[1] not in tests:
            yield f"{path}:1: meson.build has no unit test {found[1]!r}"
