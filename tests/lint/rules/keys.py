# SPDX-License-Identifier: ISC
"""A key of JSON that tpxctl prints stands in its manual page."""

import re

MANUAL = "man/tpxctl.8"
KEY = re.compile(r'\bjson_[a-z_]+\(\s*&?[\w>-]+,\s*"(\w+)"')
BAD = [{"ctl/a.c": '\tjson_uint(json, "depth",\n', MANUAL: ".Va name\n"},
       {"ctl/b/a.c": '\tjson_null(\n\t    &a->json, "name");\n',
        MANUAL: ".Va names\n"}]


def check(tree):
    for path in tree.paths:
        if path.startswith("ctl/") and path.endswith(".c"):
            for key in KEY.findall(tree.text(path)):
                if not re.search(rf"\b{key}\b", tree.text(MANUAL)):
                    yield f"{path}: {MANUAL} does not have {key}"
