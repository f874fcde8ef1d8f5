"""A result in a reader's form: a table in Markdown, a chart in SVG, the goals as text."""

import json
from xml.sax.saxutils import escape

from tests.bench import results
from tests.bench.rivals import TITLES

CHART_CELLS = (("20ms-64", "Flashduty answers in 20 ms, 64 clients"),
               ("20ms-256", "Flashduty answers in 20 ms, 256 clients"),
               ("0ms-64", "Flashduty answers at once, 64 clients"))  # fmt: skip
CHART_RIVALS = ("nginx", "gateway", "gateway-256", "gateway-no-store", "node-nginx", "flask")
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
# Of the published results: where they lie, and the chart beside the text that shows it.
PUBLISHED = "tests/bench/results.json"
CHART = "docs/speed.svg"
READMES = {"README.md": "en", "README.zh-CN.md": "zh"}

WORDS = {
    "en": {
        "rival": "", "cell": "clients × delay", "rps": "alerts/s (spread)", "ratio": "of nginx",
        "p50": "p50 ms", "p99": "p99 ms", "cpu": "CPU s / 1,000", "idle": "MB idle",
        "full": "MB, 64 in flight",
    },
    "zh": {
        "rival": "", "cell": "并发 × 延迟", "rps": "告警/秒（范围）", "ratio": "相对 nginx",
        "p50": "p50 毫秒", "p99": "p99 毫秒", "cpu": "CPU 秒 / 千条", "idle": "空闲 MB",
        "full": "64 并发时 MB",
    },
}  # fmt: skip


def _number(value):
    """With no more digits than mean anything."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _row(result, cell, rival, title, words):
    def figure(name):
        return results.figure(result, cell, rival, name)

    delay, clients = cell.split("ms-")
    rate, ratio = figure("requests_per_s"), results.ratio(result, cell, rival, "requests_per_s")
    memory = results.figure(result, "100ms-64", rival, "resident_mb")
    values = {
        "rival": title,
        "cell": f"{clients} × {delay} ms",
        "rps": f"{_number(rate.median)} ({_number(rate.least)}–{_number(rate.greatest)})",
        "ratio": _number(ratio.median) if ratio else "–",
        "p50": _number(figure("p50_ms").median),
        "p99": _number(figure("p99_ms").median),
        "cpu": _number(figure("cpu_s_per_1000").median),
        "idle": _number(result["idle_mb"].get(rival)),
        "full": _number(memory.median if memory else None),
    }
    return "| " + " | ".join(values[name] for name in words) + " |"


def table(result, cells=None, language="en", left_out=()):
    """A row a rival and cell; of these cells alone if given, without the rivals that are left out."""
    words = WORDS[language]
    lines = ["| " + " | ".join(words.values()) + " |", "|---|---" + "|--:" * (len(words) - 2) + "|"]
    for cell, rivals in result["windows"].items():
        if cells is None or cell in cells:
            for rival, description in TITLES.items():
                if rival in rivals and rival not in left_out:
                    lines.append(_row(result, cell, rival, description.title, words))
    return "\n".join(lines) + "\n"


def goals_text(result):
    """A line a goal."""
    lines = []
    for goal in results.goals(result):
        word = "not measured" if goal.measured is None else "met" if goal.is_met else "MISSED"
        lines.append(f"{word:<12} {goal.what}: {_number(goal.measured)} ({goal.bound})")
    return "\n".join(lines)


# ---- the chart ----

STYLE = """
    svg { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
    .panel { fill: #ffffff; } .head { fill: #16202c; font-size: 15px; font-weight: 600; }
    .text { fill: #3a4858; font-size: 12.5px; } .others { fill: #8b9bb0; } .ours { fill: #1d5fa8; }
    @media (prefers-color-scheme: dark) {
      .panel { fill: #12181f; } .head { fill: #eef3f8; } .text { fill: #c3cedb; }
      .others { fill: #5b6b7f; } .ours { fill: #6db1ff; }
    }"""
WIDTH, LEFT, BAR, LINE, PANEL_HEAD = 900, 330, 400, 24, 44


def _svg(title, lines, height):
    body = "\n  ".join(lines)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">
  <title id="title">{escape(title)}</title>
  <style>{STYLE}
  </style>
  <rect class="panel" width="{WIDTH}" height="{height}" rx="8"/>
  {body}
</svg>
"""


def _plain(title):
    return title.replace("**", "").replace("`", "")


def _panel(result, cell, heading, top):
    """The bars of a cell, from y = top on: (lines of SVG, height)."""
    rivals = [rival for rival in CHART_RIVALS if rival in result["windows"].get(cell, {})]
    rates = {r: results.figure(result, cell, r, "requests_per_s").median for r in rivals}
    shares = {r: results.ratio(result, cell, r, "requests_per_s").median for r in rivals}
    most = max(rates.values(), default=1)
    lines = [f'<text class="head" x="20" y="{top + 24}">{escape(heading)}</text>'] if rivals else []
    for place, rival in enumerate(rivals):
        y = top + PANEL_HEAD + place * LINE
        kind = "ours" if TITLES[rival].is_ours else "others"
        width = max(1, rates[rival] / most * BAR)
        share = "" if rival == "nginx" else f" · {shares[rival]:.2f} of nginx"
        lines += [
            f'<text class="text" x="20" y="{y + 12}">{escape(_plain(TITLES[rival].title))}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.0f}" height="15" rx="2"/>',
            f'<text class="text" x="{LEFT + width + 8:.0f}" y="{y + 12}">'
            f"{rates[rival]:,.0f}/s{share}</text>",
        ]
    return lines, (PANEL_HEAD + len(rivals) * LINE if rivals else 0)


def chart(result):
    """Bars: alerts a second, the gateway beside others."""
    lines, top = [], 6
    for cell, heading in CHART_CELLS:
        panel, height = _panel(result, cell, heading, top)
        lines += panel
        top += height
    return _svg("Alerts a second, forwarded to Flashduty and answered", lines, top + 14)


# ---- the README ----

README_CELLS = ("20ms-64", "20ms-256", "0ms-64", "20ms-16")


CONDITIONS = {
    "en": "Measured {time}: {cpu}, {cores} cores, {repeats} repeats of {seconds} s; load average"
    " {load_before:.1f} before the run (far above 1, other work ran on the same cores: then rates and shares are too low, CPU is too high,"
    " and rows compare only with each other).",
    "zh": "测量于 {time}：{cpu}，{cores} 核，每次 {seconds} 秒、重复 {repeats} 次；运行前平均负载 {load_before:.1f}（远高于 1 说明"
    "同样的核上还有别的工作：这时速率和比值偏低，CPU 偏高，只能在行与行之间比较）。",
}


def section(result, language):
    """What stands between the marks in a README."""
    conditions = CONDITIONS[language].format(
        **result["machine"], repeats=result["repeats"], seconds=result["seconds"]
    )
    # Who forwards nothing is no choice that a reader has.
    rows = table(result, README_CELLS, language, left_out=(results.NULL,))
    return f"{BEGIN}\n\n{rows}\n{conditions}\n\n{END}"


def replace_section(text, result, language):
    """A README with the section renewed. ValueError if it has no marks."""
    start, end = text.index(BEGIN), text.index(END) + len(END)
    return text[:start] + section(result, language) + text[end:]


def publish(result, root):
    """Puts results, chart and tables into the repository."""
    (root / PUBLISHED).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (root / CHART).write_text(chart(result), encoding="utf-8")
    for name, language in READMES.items():
        file = root / name
        text = replace_section(file.read_text("utf-8"), result, language)
        file.write_text(text, encoding="utf-8")


# ---- growth ----


def growth_chart(found):
    """A panel for each thing that grows: bars of CPU for 1,000 alerts."""
    lines, top = [], 6
    most = max(cost for figures in found.values() for _, cost in figures)
    for what, figures in found.items():
        lines.append(
            f'<text class="head" x="20" y="{top + 24}">CPU seconds for 1,000 alerts,'
            f" by {escape(what)}</text>"
        )
        for place, (step, cost) in enumerate(figures):
            y = top + PANEL_HEAD + place * LINE
            width = max(1, cost / most * BAR)
            lines += [
                f'<text class="text" x="20" y="{y + 12}">{step:,}</text>',
                f'<rect class="ours" x="{LEFT}" y="{y}" width="{width:.0f}" height="15" rx="2"/>',
                f'<text class="text" x="{LEFT + width + 8:.0f}" y="{y + 12}">{cost:.3f}</text>',
            ]
        top += PANEL_HEAD + len(figures) * LINE
    return _svg("What an alert costs as work grows", lines, top + 14)
