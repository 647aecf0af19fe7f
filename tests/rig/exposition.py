# SPDX-License-Identifier: ISC
"""Prometheus' text exposition format 0.0.4, read as strictly as it is defined.

    metrics = exposition.parse(text)
    metrics.value("tpx_flows_total", action="relay")

What promtool would complain about is an error here as well.
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
# a backslash only before a backslash, a quote or an n
VALUE = r'"(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(
    rf"({NAME})(?:\{{((?:{LABEL}={VALUE})(?:,{LABEL}={VALUE})*)\}})? (\S+)")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf)|NaN")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
SUFFIXES = {"histogram": {"_bucket", "_sum", "_count"}, "counter": {""},
            "gauge": {""}}
UNITS = ("milliseconds", "minutes", "us", "ms", "kib", "kilobytes", "percent")


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.samples = {}  # (suffix, labels as sorted pairs) -> number


class Metrics(dict):
    """Families by name."""

    def value(self, name, suffix="", **labels):
        return self[name].samples[suffix, tuple(sorted(labels.items()))]


def _labels(text):
    found = re.findall(rf"({LABEL})=({VALUE})", text or "")
    names = [name for name, _ in found]
    assert len(names) == len(set(names)), f"a label twice: {text}"
    return {name: re.sub(r'\\["\\n]', lambda m: ESCAPES[m[0]], value[1:-1])
            for name, value in found}


def _number(text):
    assert NUMBER.fullmatch(text), f"not a number: {text}"
    return float(text)


def _comment(line, metrics, family):
    _, word, name, rest = line.split(" ", 3)
    assert re.fullmatch(NAME, name), line
    if word == "HELP":
        assert name not in metrics, f"{name} is there twice"
        assert rest and not re.search(r"\\[^\\n]", rest), line
        family = metrics[name] = Family(name, rest)
    else:
        assert word == "TYPE" and family and family.name == name, line
        assert family.type is None and rest in SUFFIXES, line
        family.type = rest
    return family


def _check_histogram(family):
    series = {}
    for (suffix, labels), number in family.samples.items():
        labels = dict(labels)
        bound = labels.pop("le", None)
        one = series.setdefault(tuple(sorted(labels.items())), {"le": {}})
        if suffix == "_bucket":
            one["le"][_number(bound)] = number
        else:
            one[suffix] = number
    for labels, one in series.items():
        bounds = list(one["le"])
        counts = list(one["le"].values())
        assert bounds == sorted(bounds) and bounds[-1] == math.inf, labels
        assert counts == sorted(counts), f"{labels}: not cumulative"
        assert counts[-1] == one["_count"], labels
        assert one["_sum"] >= 0 and (one["_count"] or not one["_sum"]), labels


def _check_family(family):
    assert family.type, f"{family.name} has no TYPE"
    assert (family.type == "counter") == family.name.endswith("_total"), (
        f"{family.name} is a {family.type}")
    assert family.samples, f"{family.name} has no sample"
    words = family.name.split("_")
    assert not set(words) & set(UNITS), f"{family.name}: not a base unit"
    keys = {tuple(name for name, _ in labels if name != "le")
            for _, labels in family.samples}
    assert len(keys) == 1, f"{family.name}: labels differ: {keys}"
    if family.type == "counter":
        assert all(number >= 0 for number in family.samples.values())
    if family.type == "histogram":
        _check_histogram(family)


def parse(text):
    """The families; AssertionError says what is against the format."""
    metrics, family = Metrics(), None
    assert text.endswith("\n"), "the last line has no end"
    for line in text[:-1].split("\n"):
        if line.startswith("#"):
            family = _comment(line, metrics, family)
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, f"not a sample: {line!r}"
        name, labels, number = sample.groups()
        assert family and family.type, f"no family yet: {line}"
        suffix = name.removeprefix(family.name)
        assert name.startswith(family.name) and (
            suffix in SUFFIXES[family.type]), f"{line} is in {family.name}"
        key = suffix, tuple(sorted(_labels(labels).items()))
        assert key not in family.samples, f"twice: {line}"
        family.samples[key] = _number(number)
    for family in metrics.values():
        _check_family(family)
    return metrics
