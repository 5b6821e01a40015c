#!/usr/bin/env python3
"""Nonlinear recurrences in parallel over time: time against lanes for the sequential loop, windows (shooting) and Newton's method, and what the
choice of plans makes of lanes, steps and how long states are remembered.

    Benchmarks/lanes.py [--recc PATH] [--rounds N] [--svg docs/lanes.svg]

The program is the gated unit of `programs/gated_unit.rec`, one sequence, two threads, f32; lanes are its channels. How long it remembers follows
from its update gate: `--range xz=-5,-3` keeps it nearly shut. Times are medians of `recc bench`, of rounds in turn.
"""
import argparse
import json
import math
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
FORMS = ("sequential", "shooting", "newton")
LANES = (1, 2, 4, 8, 16, 32, 64)
COLORS = {"sequential": "#444444", "shooting": "#1b6ca8", "newton": "#b5482a"}


def bench(recc, lanes, steps, gate, form):
    command = [recc, "bench", os.path.join(HERE, "programs", "gated_unit.rec"), "-D", f"D={lanes}", "--length", str(steps), "--threads", "2", "--json"]
    command += ["--range", f"xz={gate - 1},{gate + 1}"] + (["--plan", f"h={form}"] if form else [])
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def medians(recc, lanes, steps, gate, forms, rounds):
    """Times by form, in turn, and what the last run of each says."""
    times, said = {form: [] for form in forms}, {}
    for _ in range(rounds):
        for form in forms:
            said[form] = bench(recc, lanes, steps, gate, form)
            times[form].append(said[form]["median_ms"])
    return {form: sorted(all)[len(all) // 2] for form, all in times.items()}, said


def crossing(a, b):
    """Between which lanes one form overtakes another; None where it does not."""
    for before, lanes in zip(LANES, LANES[1:]):
        if (a[before] < b[before]) != (a[lanes] < b[lanes]):
            return before, lanes
    return None


def svg(rows, steps):
    """A drawing with logarithms along both axes."""
    width, height, left, bottom = 640, 400, 70, 50
    least = 10 ** math.floor(math.log10(min(min(row.values()) for row in rows.values())))
    most = 10 ** math.ceil(math.log10(max(max(row.values()) for row in rows.values())))
    x = lambda lanes: left + (width - left - 110) * math.log2(lanes) / math.log2(LANES[-1])
    y = lambda ms: height - bottom - (height - bottom - 30) * math.log(ms / least) / math.log(most / least)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="18">gated unit, 1 × {steps} × lanes, two threads, f32: ms of a run</text>']
    decade = least
    while decade <= most * 1.001:
        out.append(f'<line x1="{left}" x2="{x(LANES[-1]):.0f}" y1="{y(decade):.1f}" y2="{y(decade):.1f}" stroke="#dddddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(decade) + 4:.1f}" text-anchor="end">{decade:g}</text>')
        decade *= 10
    for lanes in LANES:
        out.append(f'<text x="{x(lanes):.1f}" y="{height - bottom + 18}" text-anchor="middle">{lanes}</text>')
    out.append(f'<text x="{(left + x(LANES[-1])) / 2:.0f}" y="{height - 8}" text-anchor="middle">lanes</text>')
    for form in FORMS:
        points = " ".join(f"{x(lanes):.1f},{y(rows[lanes][form]):.1f}" for lanes in LANES)
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[form]}" stroke-width="2"/>')
        out.append(f'<text x="{x(LANES[-1]) + 8:.1f}" y="{y(rows[LANES[-1]][form]) + 4:.1f}" fill="{COLORS[form]}">{form}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--recc", default=os.path.join(HERE, "..", ".build", "release", "recc"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--svg")
    options = parser.parse_args()

    steps, rows = 65536, {}
    print(f"| lanes, 1 × {steps} | sequential | shooting | newton |\n|---|---|---|---|")
    for lanes in LANES:
        rows[lanes], _ = medians(options.recc, lanes, steps, 0, FORMS, options.rounds)
        print(f"| {lanes} | " + " | ".join(f"{rows[lanes][form]:.3g}" for form in FORMS) + " |", flush=True)
    for form in FORMS[1:]:
        where = crossing({lanes: rows[lanes][form] for lanes in LANES}, {lanes: rows[lanes]["sequential"] for lanes in LANES})
        first = "ahead of" if rows[1][form] < rows[1]["sequential"] else "behind"
        print(f"{form} is {first} the sequential loop at 1 lane" + (f", and they cross between {where[0]} and {where[1]}" if where else ", and they do not cross"))
    if options.svg:
        with open(options.svg, "w") as file:
            file.write(svg(rows, steps))

    print(f"\n| gate, 1 × {steps} × 1 | in order | windows | sweeps with derivatives | sweeps | windows in order |\n|---|---|---|---|---|---|")
    for gate in (0, -4, -5, -6, -7, -8):
        times, said = medians(options.recc, 1, steps, gate, ("sequential", "shooting"), options.rounds)
        own = next(iter(said["shooting"]["solves"].values()))
        print(f"| {gate} | {times['sequential']:.3g} | {times['shooting']:.3g} | {own['with_derivatives']} | {own['sweeps']} | {own['in_order']} |", flush=True)

    print("\n| gate | steps | lanes | chosen | ms | sequential | shooting | chosen to the best |\n|---|---|---|---|---|---|---|---|")
    for gate in (0, -4, -8):
        for steps in (4096, 65536):
            for lanes in (1, 8, 64):
                times, said = medians(options.recc, lanes, steps, gate, (None, "sequential", "shooting"), options.rounds)
                form = next((own["method"] for own in said[None]["solves"].values()), "sequential")
                ratio = times[None] / min(times["sequential"], times["shooting"])
                print(f"| {gate} | {steps} | {lanes} | {form} | {times[None]:.3g} | {times['sequential']:.3g} | {times['shooting']:.3g} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
