# SPDX-License-Identifier: ISC
"""A function that is not static is declared in a header of its folder."""

import re

WITHOUT = {"main", "LLVMFuzzerTestOneInput", "LLVMFuzzerInitialize"}
BAD = [{"relay/a.c": "int\na_new(void)\n{\n\treturn 0;\n}\n"},
       {"relay/a.c": "int\na_new(void)\n{\n\treturn 0;\n}\n",
        "netctl/a.h": "int a_new(void);\n"}]


def definitions(lines):
    """Number and name of every function that other files can see."""
    for number in range(1, len(lines)):
        found = re.match(r"([a-z_]\w*)\(", lines[number])
        kind = lines[number - 1]
        if found and re.match(r"[a-z]", kind) and "static" not in kind:
            yield number + 1, found[1]


def check(tree):
    for path in tree.matching(".c"):
        folder = path.rpartition("/")[0]
        if folder.startswith("tests"):
            continue
        headers = "".join(tree.text(header) for header in tree.matching(".h")
                          if header.rpartition("/")[0] == folder)
        for number, name in definitions(tree.lines(path)):
            if name not in WITHOUT and not re.search(
                    rf"\b{name}\(", headers):
                yield f"{path}:{number}: {name} is in no header of its folder"
