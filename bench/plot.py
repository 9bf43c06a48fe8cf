#!/usr/bin/env python3
"""Draws the ratios of benchmark tables: docs/benchmarks.md into docs/plots/, or the table of a run.

    plot.py                      draws every table of docs/benchmarks.md
    plot.py --check              fails if a drawing is not what its table says, or is not shown there
    plot.py TABLE.md OUT.svg     draws one table, as bench/run.py writes it

A bar shows how many times another server's figure ours is, on an even scale of powers of ten: to the right of 1 we
have more of it. Only ratios are drawn, since only they mean anything on another machine.
"""
import math
import os
import re
import sys
from xml.sax.saxutils import escape

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE, PLOTS = os.path.join(ROOT, "docs/benchmarks.md"), os.path.join(ROOT, "docs/plots")

PANELS = [("rate /s", "rate", "more is better"), ("server CPU s/M", "CPU for a message", "less is better"),
          ("anon MiB", "memory", "less is better"), ("p99 µs", "p99 of the latency", "less is better")]
RATIO = re.compile(r"ours/(\w+)$")
COLORS = ["#2a7de1", "#e1912a"]
WIDTH, LEFT, RIGHT, ROW, BAR, HEAD, GAP = 720, 90, 24, 26, 9, 78, 52


def tables(text):
    """(heading, rows as dictionaries) of each table that compares servers."""
    heading, rows, columns = "", [], None
    for line in [*text.splitlines(), ""]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if line.startswith("## "):
            heading = line[3:]
        if cells is None:
            if rows:
                yield heading, rows
            rows, columns = [], None
        elif cells[:2] == ["mode", "server"]:
            columns = cells
        elif columns and not set(line) <= set("|-: "):
            rows.append(dict(zip(columns, cells)))


def ratios(rows, column):
    """[(mode, {whom: ratio})]; a figure that was not measured is left out."""
    found = {}
    for row in rows:
        whom = RATIO.match(row["server"])
        value = re.match(r"([\d.,]+)×$", row.get(column, ""))
        if whom and value and float(value[1].replace(",", "")) > 0:
            found.setdefault(row["mode"], {})[whom[1]] = float(value[1].replace(",", ""))
    return list(found.items())


class Drawing:
    def __init__(self):
        self.lines, self.height = [], HEAD

    def text(self, x, y, kind, text):
        self.lines.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>')

    def panel(self, title, hint, found, whom):
        powers = [math.log10(value) for _, ratio in found for value in ratio.values()]
        low, high = min(-1, math.floor(min(powers))), max(1, math.ceil(max(powers)))

        def at(power):
            return LEFT + (WIDTH - LEFT - RIGHT) * (power - low) / (high - low)

        top, bottom = self.height, self.height + ROW * len(found)
        self.text(LEFT, top - 10, "title", title)
        self.text(WIDTH - RIGHT, top - 10, "end", hint)
        for power in range(low, high + 1):
            self.lines.append(f'<path class="{"one" if power == 0 else "grid"}" d="M{at(power):.1f} {top}V{bottom}"/>')
            self.text(at(power), bottom + 16, "middle", f"{10.0 ** power:g}×")
        for i, (mode, ratio) in enumerate(found):
            y = top + ROW * i + 3
            self.text(LEFT - 8, y + BAR + 4, "end", mode)
            for k, name in enumerate(whom):
                if name in ratio:
                    x = sorted((at(0), at(math.log10(ratio[name]))))
                    self.lines.append(f'<rect x="{x[0]:.1f}" y="{y + k * (BAR + 1)}" width="{max(x[1] - x[0], 1):.1f}" '
                                      f'height="{BAR}" fill="{COLORS[k]}"><title>{mode}: {ratio[name]:g}×</title></rect>')
        self.height = bottom + GAP

    def svg(self, title, whom):
        key = "".join(f'<rect x="{LEFT + 150 * k}" y="30" width="10" height="10" fill="{COLORS[k]}"/>'
                      f'<text x="{LEFT + 150 * k + 16}" y="39">ours / {names(name)}</text>' for k, name in enumerate(whom))
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height - 20}" font-family="sans-serif" '
                'font-size="12">\n<style>text{fill:#777}.end{text-anchor:end}.middle{text-anchor:middle}.title{font-weight:bold}'
                '.grid{stroke:#8884;fill:none}.one{stroke:#777;fill:none}</style>\n'
                f'<text x="{LEFT}" y="18" class="title">{escape(title)}</text>{key}\n' + "\n".join(self.lines) + "\n</svg>\n")


def names(whom):
    return {"theirs": "nats-server", "always": "always syncing"}.get(whom, whom)


def draw(title, rows):
    drawing = Drawing()
    panels = [(name, hint, ratios(rows, column)) for column, name, hint in PANELS]
    panels = [panel for panel in panels if panel[2]]
    whom = []
    for _, _, found in panels:
        for _, ratio in found:
            whom += [name for name in ratio if name not in whom]
    for name, hint, found in panels:
        drawing.panel(name, hint, found, whom[: len(COLORS)])
    return drawing.svg(title, whom[: len(COLORS)]) if panels else None


def page_drawings():
    """{file name: drawing} of the page, and the page."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    found = {}
    for heading, rows in tables(text):
        drawing = draw(heading, rows)
        if drawing:
            found[re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") + ".svg"] = drawing
    return found, text


def check(found, text):
    problems = []
    for name, drawing in found.items():
        path = os.path.join(PLOTS, name)
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != drawing:
            problems.append(f"docs/plots/{name} is not what docs/benchmarks.md says: run bench/plot.py")
        if f"(plots/{name})" not in text:
            problems.append(f"docs/benchmarks.md does not show plots/{name}")
    return problems


def draw_file(table, picture):
    """False: there was nobody to compare with."""
    with open(table, encoding="utf-8") as file:
        drawn = [draw("Millrace beside others", rows) for _, rows in tables(file.read())]
    if not drawn or drawn[0] is None:
        return False
    with open(picture, "w", encoding="utf-8") as file:
        file.write(drawn[0])
    return True


def main():
    if len(sys.argv) == 3:
        return None if draw_file(*sys.argv[1:]) else f"{sys.argv[1]} holds no ratios"
    found, text = page_drawings()
    if sys.argv[1:] == ["--check"]:
        return "\n".join(check(found, text)) or None
    os.makedirs(PLOTS, exist_ok=True)
    for name, drawing in found.items():
        with open(os.path.join(PLOTS, name), "w", encoding="utf-8") as file:
            file.write(drawing)
    return None


if __name__ == "__main__":
    sys.exit(main())
