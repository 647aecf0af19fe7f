# SPDX-License-Identifier: ISC
"""From samples of resolvers to a table: tpx beside the best of the others."""

import statistics

from questions import FIGURES

OWN = "tpx"


class Row:
    """A figure; values by contender, then by round."""

    def __init__(self, figure, values):
        self.figure = figure
        self.values = values
        self.medians = {name: statistics.median(rounds.values())
                        for name, rounds in values.items()}
        self.peer = figure.peer or self._best()
        self.ratios = self._ratios()
        self.ratio = statistics.median(self.ratios) if self.ratios else None

    def _best(self):
        peers = {name: median for name, median in self.medians.items()
                 if name != OWN}
        choose = min if self.figure.less_is_better else max
        return choose(peers, key=peers.get) if peers else None

    def _ratios(self):
        own, peer = (self.values.get(name, {}) for name in (OWN, self.peer))
        return [own[turn] / peer[turn] for turn in own
                if turn in peer and peer[turn] > 0]

    def target(self):
        """What was asked for, as text, and whether it was met (or None)."""
        figure, ratio = self.figure, self.ratio
        if figure.at_least is not None:
            return (f"of {self.peer} >= {figure.at_least:g}",
                    None if ratio is None else ratio >= figure.at_least)
        if figure.at_most is not None:
            return (f"of {self.peer} <= {figure.at_most:g}",
                    None if ratio is None else ratio <= figure.at_most)
        return "", None

    def as_json(self):
        target, met = self.target()
        return {"figure": self.figure.key, "unit": self.figure.unit,
                "median": self.medians, "peer": self.peer,
                "rounds": {name: list(rounds.values())
                           for name, rounds in self.values.items()},
                "ratio": self.ratio, "ratios": self.ratios,
                "target": target, "met": met}


def rows(samples):
    """samples: by figure, contender and round."""
    return [Row(figure, {
        name: {turn: sample.value for turn, sample in rounds.items()}
        for name, rounds in samples[figure.key].items()})
        for figure in FIGURES if figure.key in samples]


def missed(found):
    return [row for row in found if row.target()[1] is False]


def _number(value):
    return "-" if value is None else f"{value:,.0f}"


def _ratio(row):
    if row.ratio is None:
        return "-"
    return f"{row.ratio:.2f} ({min(row.ratios):.2f}-{max(row.ratios):.2f})"


def text(found, names):
    layout = "{:<31} {:<4}" + " {:>9}" * len(names) + "  {:<17} {}"
    lines = [layout.format("median of the rounds", "", *names,
                           f"{OWN}/best", "target").rstrip()]
    for row in found:
        target, met = row.target()
        if met is not None:
            target += ": met" if met else ": MISSED"
        lines.append(layout.format(
            row.figure.title, row.figure.unit,
            *(_number(row.medians.get(name)) for name in names), _ratio(row),
            target).rstrip())
    return "\n".join(lines)
