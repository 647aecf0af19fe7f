# SPDX-License-Identifier: ISC
"""From samples to medians, ratios and a table."""

import statistics

from metrics import FIGURES

ROUTED, PEER, OWN = "routed", "haproxy", "tpx"


class Results:
    """Samples by figure, contender and round; and what went wrong."""

    def __init__(self):
        self._samples = {}
        self.failures = []
        self.broken = []
        self.where = []  # lines on where what was missed goes

    def add(self, turn, contender, samples):
        for key, sample in samples.items():
            self._samples.setdefault(key, {}).setdefault(
                contender, {})[turn] = sample
            if sample.errors:
                self.broken.append(f"{contender}, {key}, round {turn + 1}: "
                                   f"{sample.errors} connections broke")

    def fail(self, turn, contender, metric, error):
        where = f"round {turn + 1}" if turn is not None else "start"
        text = f"{contender}, {metric}, {where}: {error}"
        self.failures.append(text.strip().replace("\n", "\n    "))

    def missed(self):
        """Keys of the figures that are not what they shall be."""
        return {row.figure.key for row in self.rows() if row.met is False}

    def rows(self):
        """A Row for every figure that has samples."""
        for figure in FIGURES:
            samples = self._samples.get(figure.key)
            if not samples:
                continue
            values = _each(samples, lambda sample: sample.value)
            yield Row(figure, figure.title, figure.unit, values,
                      figure.target)
            if figure.added and ROUTED in values:
                yield Row(figure, f"  added to {ROUTED}", figure.unit,
                          _over(values, values[ROUTED]), figure.added)
            work = _each(samples, lambda sample: sample.per_cpu_s)
            if work:
                yield Row(figure, "  for each CPU second",
                          figure.unit.replace("1/s", "").replace("/s", ""),
                          work)


class Row:
    """values: by contender, then by round."""

    def __init__(self, figure, title, unit, values, target=None):
        self.figure, self.title, self.unit = figure, title, unit
        self.values = values
        self.medians = {name: statistics.median(rounds.values())
                        for name, rounds in values.items()}
        self.ratios = _ratios(values, target and target.beside or PEER)
        self.ratio = statistics.median(self.ratios) if self.ratios else None
        self.target = target.text(unit) if target else ""
        self.met = self._met(target)

    def _met(self, target):
        """None if there is nothing to say it of."""
        if target is None:
            return None
        value = self.ratio if target.beside else self.medians.get(OWN)
        return None if value is None else target.met(value)

    def as_json(self):
        return {
            "figure": self.figure.key, "title": self.title.strip(),
            "unit": self.unit, "median": self.medians,
            "rounds": {name: list(rounds.values())
                       for name, rounds in self.values.items()},
            "ratio": self.ratio, "ratios": self.ratios,
            "target": self.target, "met": self.met}


def _each(samples, read):
    """The same shape with read(sample) in it, without those that are None."""
    picked = {name: {turn: read(sample) for turn, sample in rounds.items()
                     if read(sample) is not None}
              for name, rounds in samples.items()}
    return {name: rounds for name, rounds in picked.items() if rounds}


def _over(values, base):
    """values less base, round by round."""
    lessened = {name: {turn: value - base[turn]
                       for turn, value in rounds.items() if turn in base}
                for name, rounds in values.items() if name != ROUTED}
    return {name: rounds for name, rounds in lessened.items() if rounds}


def _ratios(values, peer):
    """Own to peer, of the rounds that both have."""
    own, peer = values.get(OWN, {}), values.get(peer, {})
    return [own[turn] / peer[turn] for turn in own
            if turn in peer and peer[turn] > 0]


def _number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def _ratio(row):
    if row.ratio is None:
        return "-"
    return f"{row.ratio:.2f} ({min(row.ratios):.2f}-{max(row.ratios):.2f})"


def _verdict(row):
    if row.met is None:
        return row.target
    return f"{row.target}: {'met' if row.met else 'MISSED'}"


def text(results, names):
    """The table, what was missed and what could not be measured."""
    layout = "{:<25} {:<6}" + " {:>10}" * len(names) + "  {:<17} {}"
    lines = [layout.format("median of the rounds", "", *names,
                           f"{OWN}/{PEER}", "target").rstrip()]
    missed = []
    for row in results.rows():
        medians = (_number(row.medians.get(name)) for name in names)
        lines.append(layout.format(row.title, row.unit, *medians, _ratio(row),
                                   _verdict(row)).rstrip())
        if row.met is False:
            missed.append(f"MISSED: {row.figure.title}: "
                          f"{_number(row.medians[OWN])} {row.unit}, ratio "
                          f"{_ratio(row)}; target {row.target}")
    lines += [""] * bool(missed) + missed + results.where
    lines += [f"note: {line}" for line in results.broken]
    lines += [f"NOT MEASURED: {line}" for line in results.failures]
    return "\n".join(lines)
