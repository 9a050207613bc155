"""nonevent beside a bare read of the same topic: throughput, CPU by stage, memory, findings.

Contestants, each in a process of its own, alternating, in another order in every pair:
  bare      an aiokafka getmany loop as a user would write it, Python's defaults
  tamed     the same with the garbage collector tamed (freeze, thresholds far up)
  nonevent  tap, decode, stitch, judge by eight expectations, alert, store: until every event is
            committed and every expectation is judged
Stages come from a run of their own, whose calls are timed: the measured runs are undisturbed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
from msgspec.structs import replace

from bench.contestants import NAMES, Run, Task
from bench.generator import FLOWS, Summary
from demo.broker import Broker

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "bench" / "rules.yaml"
TWENTY = ROOT / "bench" / "rules-20.yaml"
TOPIC = "bench-orders"
EXAMPLES = """
examples:
  python bench/pipeline.py                          the full size: 200,000 flows, five pairs
  python bench/pipeline.py --flows 20000 --pairs 3  a quick look
  python bench/pipeline.py --rules my-rules.yaml    other expectations over the same events
"""


class Pair(msgspec.Struct):
    """The three contestants, run one after another."""

    bare: Run
    tamed: Run
    nonevent: Run
    none: Run | None = None
    """nonevent without expectations, after the others."""
    twenty: Run | None = None
    """By twenty of them, at the end."""

    def ratio(self) -> float:
        return _rate(self.nonevent) / _rate(self.bare)

    def ratio_none(self) -> float:
        return 0.0 if self.none is None else _rate(self.none) / _rate(self.bare)

    def ratio_20(self) -> float:
        return 0.0 if self.twenty is None else _rate(self.twenty) / _rate(self.bare)

    def ratio_tamed(self) -> float:
        return _rate(self.nonevent) / _rate(self.tamed)

    def cpu_ratio(self) -> float:
        return _us(self.bare) / _us(self.nonevent)


class Spread(msgspec.Struct):
    min: float
    median: float
    max: float


class Figures(msgspec.Struct):
    """The last line: what a script reads."""

    ratio: float
    """Throughput of nonevent by that of the bare loop: the median of the pairs."""
    ratio_none: float
    """Without expectations; 0 where others than the generator's were given."""
    ratio_20: float
    """With twenty of them; 0 likewise."""
    ratio_tamed: float
    ratio_spread: Spread
    ratio_none_spread: Spread
    ratio_tamed_spread: Spread
    ratio_cpu: float
    """CPU of the bare loop by that of nonevent, an event."""
    events: int
    flows: int
    expectations_broken: int
    findings: int
    """Equal in every run, and equal to what the generator put in (with its own rules)."""
    pairs: int
    events_per_s: dict[str, float]
    cpu_us_per_event: dict[str, float]
    stages_us_per_event: dict[str, float]
    peak_rss_mb: dict[str, float]
    store_bytes_per_event: float


def main() -> None:
    options = _options()
    with Broker(num_partitions=1) as broker:
        summary = generate(broker, options.flows, options.seed)
        rules = options.rules.resolve()
        events, settled = summary.events, summary.settled_ms
        task = Task(broker.bootstrap, TOPIC, events, settled, str(rules))
        _say(f"{events:,} events of {summary.flows:,} flows, made in {summary.seconds:.0f} s")
        contest("bare", task)  # once without counting: the broker's cache and compiler are warm
        more = () if rules != RULES else (replace(task, rules=""), replace(task, rules=str(TWENTY)))
        pairs = [_pair(task, number, more) for number in range(options.pairs)]
        staged = contest("nonevent", task, "--stages")
    truth = summary.findings if rules == RULES else None
    found = _same_findings([*(pair.nonevent for pair in pairs), staged], truth)
    _same_findings([pair.none for pair in pairs if pair.none is not None], {})
    _same_findings([pair.twenty for pair in pairs if pair.twenty is not None], None)
    figures = _figures(summary, pairs, staged, found)
    _print_table(figures, pairs, staged)
    print(msgspec.json.encode(figures).decode())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python bench/pipeline.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--flows", type=int, default=FLOWS, help=f"of 8 events (default: {FLOWS})")
    parser.add_argument("--pairs", type=int, default=5, help="how often each runs (default: 5)")
    parser.add_argument("--rules", type=Path, default=RULES, help="default: bench/rules.yaml")
    parser.add_argument("--seed", type=int, default=1, help="of the generator (default: 1)")
    options = parser.parse_args()
    if options.flows < 1 or options.pairs < 1:
        parser.error("--flows and --pairs are at least 1")
    if not options.rules.exists():
        parser.error(f"--rules {options.rules}: there is no such file")
    return options


# Running


def generate(broker: Broker, flows: int, seed: int) -> Summary:
    words = ("--bootstrap", broker.bootstrap, "--topic", TOPIC)
    size = ("--flows", str(flows), "--seed", str(seed))
    answer, _ = _child(["bench.generator", *words, *size])
    return msgspec.json.decode(answer, type=Summary)


def _pair(task: Task, number: int, more: Sequence[Task]) -> Pair:
    turn = number % len(NAMES)
    runs = {name: contest(name, task) for name in (*NAMES[turn:], *NAMES[:turn])}
    others = [contest("nonevent", one) for one in more]
    pair = Pair(runs["bare"], runs["tamed"], runs["nonevent"], *others)
    _say(
        f"pair {number + 1}: "
        + ", ".join(f"{name} {_rate(runs[name]):,.0f}/s {_us(runs[name]):.1f} µs" for name in NAMES)
        + f"; ratio {pair.ratio():.3f}, tamed {pair.ratio_tamed():.3f}, "
        f"without rules {pair.ratio_none():.3f}, with twenty {pair.ratio_20():.3f}"
    )
    return pair


def contest(name: str, task: Task, *words: str) -> Run:
    """One run, in a process of its own."""
    answer, cpu = _child(["bench.contestants", name, *words], msgspec.json.encode(task))
    run = msgspec.json.decode(answer, type=Run)
    assert run.events == task.events, f"{name} read {run.events} of {task.events} events"
    # What the whole process took, start and end included, bounds what it says of itself.
    assert run.cpu_s <= cpu, f"{name} took {cpu:.1f} s of CPU and told of {run.cpu_s:.1f}"
    return run


def _child(module: Sequence[str], question: bytes = b"") -> tuple[bytes, float]:
    """The last line that a Python module prints, and the CPU s of the process and its children."""
    with (
        tempfile.TemporaryDirectory(prefix="nonevent-bench-") as folder,
        subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        before = os.times()
        try:
            answer, trouble = process.communicate(question)
        except BaseException:
            process.kill()  # or Ctrl-C would wait for the run to end
            raise
        after = os.times()
    if process.returncode != 0 or not answer.strip():
        sys.stderr.write(trouble.decode(errors="replace"))
        raise SystemExit(f"{' '.join(module)} failed with exit code {process.returncode}")
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    # The clock of a process that has ended ticks in hundredths.
    return answer.strip().splitlines()[-1], cpu + 0.05


def _same_findings(runs: Sequence[Run], truth: dict[str, int] | None) -> dict[str, int]:
    first = runs[0].findings if runs else {}
    for run in runs:
        assert run.findings == first, f"findings differ between runs: {run.findings} and {first}"
    if truth is not None:
        assert first == truth, f"found {first}, put in {truth}"
    return first


# Figures


def _rate(run: Run) -> float:
    return run.events / run.wall_s


def _us(run: Run) -> float:
    return run.cpu_s / run.events * 1e6


def _spread(values: Sequence[float]) -> Spread:
    return Spread(round(min(values), 3), round(median(values), 3), round(max(values), 3))


def _figures(
    summary: Summary, pairs: Sequence[Pair], staged: Run, found: dict[str, int]
) -> Figures:
    runs = {name: [getattr(pair, name) for pair in pairs] for name in NAMES}
    ratio = _spread([pair.ratio() for pair in pairs])
    tamed = _spread([pair.ratio_tamed() for pair in pairs])
    none = _spread([pair.ratio_none() for pair in pairs])
    twenty = _spread([pair.ratio_20() for pair in pairs])
    return Figures(
        ratio=ratio.median,
        ratio_none=none.median,
        ratio_20=twenty.median,
        ratio_tamed=tamed.median,
        ratio_spread=ratio,
        ratio_none_spread=none,
        ratio_tamed_spread=tamed,
        ratio_cpu=round(median(pair.cpu_ratio() for pair in pairs), 3),
        events=summary.events,
        flows=summary.flows,
        expectations_broken=len(found),
        findings=sum(found.values()),
        pairs=len(pairs),
        events_per_s={n: round(median(map(_rate, runs[n]))) for n in NAMES},
        cpu_us_per_event={n: round(median(map(_us, runs[n])), 2) for n in NAMES},
        stages_us_per_event={
            stage: round(seconds / staged.events * 1e6, 2)
            for stage, seconds in staged.stages.items()
        },
        peak_rss_mb={n: round(max(run.rss_mb for run in runs[n])) for n in NAMES},
        store_bytes_per_event=round(
            median(run.store_mb for run in runs["nonevent"]) * 1e6 / summary.events
        ),
    )


def _print_table(figures: Figures, pairs: Sequence[Pair], staged: Run) -> None:
    print(f"\n{'':26}{'events/s':>12}{'CPU µs/event':>14}{'peak MB':>9}")
    for name in NAMES:
        rate, us = figures.events_per_s[name], figures.cpu_us_per_event[name]
        print(f"{name:26}{rate:>12,.0f}{us:>14.2f}{figures.peak_rss_mb[name]:>9.0f}")
    print(f"\n{f'{len(pairs)} pairs':26}{'min':>12}{'median':>14}{'max':>9}")
    for title, spread in (
        ("nonevent / bare", figures.ratio_spread),
        ("nonevent / tamed", figures.ratio_tamed_spread),
        ("without rules / bare", figures.ratio_none_spread),
    ):
        print(f"{title:26}{spread.min:>12.3f}{spread.median:>14.3f}{spread.max:>9.3f}")
    print(f"{'with twenty rules / bare':26}{'':12}{figures.ratio_20:>14.3f}")
    print("\nCPU µs/event by stage (a run of its own, its calls timed):")
    for stage, us in figures.stages_us_per_event.items():
        print(f"  {stage:38}{us:>7.2f}")
    print(f"  {'all':38}{_us(staged):>7.2f}")
    print(
        f"\n{figures.findings} findings, the same in every run; "
        f"{figures.store_bytes_per_event:.0f} bytes an event in the store"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
