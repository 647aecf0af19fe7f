# SPDX-License-Identifier: ISC
"""Functions have at most 80 lines, files 700, lines 80 columns."""

import re

FUNCTION_LINES = 80
FILE_LINES = 700
COLUMNS = 80
TAB = 8
BAD = [
    {"a.c": "int\nf(void)\n{\n" + "\ta();\n" * 80 + "}\n"},
    {"a.h": "int a;\n" * 701},
    {"a.py": "x = 1\n" * 701},
    {"a.c": "/* " + "x" * 80 + " */\n"},
]


def functions(lines):
    """Name, first line and length of every function in KNF."""
    name = first = None
    for number, line in enumerate(lines, 1):
        found = re.match(r"([a-z_]\w*)\(", line)
        if found:
            name, first = found[1], number
        elif line == "}" and name:
            yield name, first, number - first + 1
            name = None
        elif line.startswith("}"):
            name = None


def check(tree):
    for path in tree.matching(".c", ".h", ".py", ".def", ".sh"):
        lines = tree.lines(path)
        if len(lines) > FILE_LINES:
            yield f"{path}: {len(lines)} lines"
        for number, line in enumerate(lines, 1):
            if (len(line.expandtabs(TAB)) > COLUMNS
                    and not path.endswith(".def")):
                yield f"{path}:{number}: longer than {COLUMNS} columns"
    for path in tree.matching(".c"):
        for name, first, length in functions(tree.lines(path)):
            if length > FUNCTION_LINES:
                yield f"{path}:{first}: {name} has {length} lines"
