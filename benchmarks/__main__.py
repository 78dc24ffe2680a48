"""Run all benchmarks, or the named parts, and write `benchmarks/results/`.

    make bench
    .venv/bin/python -m benchmarks throughput half_load --rounds 3 --seconds 2

The parts, in order: {parts}. The other parts keep their last result. All of them take three
quarters of an hour on an idle machine and need wrk and nginx.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import corpus_speed, process, report, shipping, speed
from benchmarks.running import ROOT, Scale

_RESULTS = ROOT / "benchmarks" / "results"
_JSON = _RESULTS / "results.json"

Results = dict[str, Any]
Part = Callable[[Path, Scale, Results], Any]


def _peaks(results: Results) -> dict[str, float]:
    found: dict[str, float] = results["throughput"]
    return found


PARTS: dict[str, Part] = {
    "throughput": lambda folder, scale, _: speed.throughput(folder, scale),
    "corpora": lambda folder, scale, _: corpus_speed.corpora(folder, scale),
    "half_load": lambda folder, scale, found: speed.half_load(folder, scale, _peaks(found)["us"]),
    "curves": lambda folder, scale, found: speed.curves(folder, scale, _peaks(found)),
    "put_cost": lambda folder, scale, _: shipping.put_cost(folder, scale),
    "delivery": lambda folder, scale, found: shipping.delivery(folder, scale, _peaks(found)["us"]),
    "outage": lambda folder, scale, _: shipping.outage(folder, scale),
    "backlog": lambda folder, scale, _: shipping.backlog(folder, scale),
    "start": lambda folder, scale, _: process.start(folder, scale),
    "processes": lambda folder, scale, _: speed.processes(folder, scale),
    "memory": lambda folder, scale, _: process.memory(folder, scale),
}


def _machine() -> dict[str, str]:
    text = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processor": f"{len(models)} x {models[0] if models else platform.machine()}",
        "memory": f"{int(memory) / 1024 / 1024:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure, write the results and print the table."""
    text = (__doc__ or "").format(parts=", ".join(PARTS))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--rounds", type=int, default=Scale.rounds)
    parser.add_argument("--seconds", type=float, default=Scale.seconds)
    parser.add_argument("--memory-seconds", type=float, default=Scale.memory_seconds)
    given = parser.parse_args()
    scale = Scale(given.rounds, given.seconds, given.memory_seconds)
    results: Results = json.loads(_JSON.read_text()) if _JSON.exists() else {}
    _RESULTS.mkdir(exist_ok=True)
    (ROOT / "data").mkdir(exist_ok=True)
    for name in given.part or PARTS:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        # Inside the project: /tmp may be in memory.
        with tempfile.TemporaryDirectory(dir=ROOT / "data") as folder:
            results[name] = PARTS[name](Path(folder), scale, results)
        results["machine"] = _machine()
        _JSON.write_text(json.dumps(results, indent=1) + "\n")
    print(report.write(results, _RESULTS))


if __name__ == "__main__":
    main()
