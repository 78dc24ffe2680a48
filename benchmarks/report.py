"""Results as a table and as plots."""

from pathlib import Path
from typing import Any

_COLOURS = {"us": "#1f6feb", "bare": "#6e7781", "put": "#d1242f"}
_NAMES = {
    "us": "this server",
    "bare": "bare Tornado, stores nothing",
    "put": "one put_object per event",
}


def write(results: dict[str, Any], folder: Path) -> str:
    """Write `table.md` and the plots of what was measured; the table."""
    text = table(results)
    (folder / "table.md").write_text(text)
    if "curves" in results:
        _plot_curves(results["curves"], folder / "latency.png")
    if "outage" in results:
        _plot_outage(results["outage"], folder / "outage.png")
    return text


def table(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [row for name, show in _ROWS.items() if name in results for row in show(results[name])]
    machine = ", ".join(results["machine"].values())
    lines = [
        f"Measured on {machine}, with load generator and store on the same machine.",
        "",
        "| what | figure |",
        "| --- | --- |",
        *(f"| {what} | {figure} |" for what, figure in rows),
    ]
    return "\n".join(lines) + "\n"


Rows = list[tuple[str, str]]


def _throughput(found: dict[str, Any]) -> Rows:
    ratios = found["ratios"]
    return [
        ("single events, 32 connections", f"{found['us']:,.0f} a second"),
        ("the same without a log line for each", f"{found['quiet']:,.0f} a second"),
        (
            "ratio to a bare Tornado handler",
            f"{ratios['us / bare']:.2f} ({ratios['quiet / bare']:.2f} without log lines)",
        ),
        ("ratio to one `put_object` per event", f"{ratios['us / put']:.1f}"),
        ("events in batches of 100, 8 connections", f"{found['batches']:,.0f} a second"),
        ("ratio to a bare handler's requests", f"{ratios['batches / bare']:.1f}"),
    ]


def _half_load(found: dict[str, Any]) -> Rows:
    ours, bare, sync = found["us"], found["bare"], found["sync_ms"]
    return [
        (
            f"answer at {found['rate']:,.0f} a second, half of the most",
            f"p50 {ours['p50']:.1f} ms, p99 {ours['p99']:.1f} ms (bare: p99 {bare['p99']:.1f} ms)",
        ),
        ("one `fdatasync` of 4 KiB", f"p50 {sync['p50']:.2f} ms, p99 {sync['p99']:.2f} ms"),
    ]


def _backlog(found: dict[str, Any]) -> Rows:
    during, idle = found["during"], found["idle"]
    return [
        (
            f"answer at {found['rate']:,.0f} a second while 1 GiB is shipped",
            f"p99 {during['p99']:.1f} ms ({idle['p99']:.1f} ms without)",
        ),
        (f"1 GiB shipped, {found['events']:,} events", f"in {found['shipped_in_s']:.0f} s"),
    ]


def _put_cost(found: dict[str, Any]) -> Rows:
    ours, theirs = found["ours"], found["put_object"]
    return [
        (
            "processor time of an object with one event",
            f"{ours:.2f} ms (`put_object`: {theirs:.2f} ms)",
        )
    ]


def _delivery(found: dict[str, Any]) -> Rows:
    return [
        (
            "from a request to its object in the store, at half of the most",
            f"p50 {found['p50']:.1f} s, p99 {found['p99']:.1f} s",
        )
    ]


def _start(found: dict[str, Any]) -> Rows:
    return [("from start to the first accepted event", f"{found['median']:.2f} s")]


def _memory(found: dict[str, Any]) -> Rows:
    minutes = found["samples"][-1][0] / 60
    return [
        (
            f"memory, {minutes:.0f} minutes at full load with the store away",
            f"at most {found['max_mib']:.0f} MiB, {found['events']:,} events waiting on disk",
        )
    ]


def _processes(found: dict[str, Any]) -> Rows:
    return [
        (
            "two processes on one port, beside the load on two cores",
            f"{found['two']:,.0f} a second (one: {found['one']:,.0f})",
        )
    ]


_ROWS = {
    "throughput": _throughput,
    "half_load": _half_load,
    "backlog": _backlog,
    "put_cost": _put_cost,
    "delivery": _delivery,
    "start": _start,
    "processes": _processes,
    "memory": _memory,
}


def _figure(width: float, panels: int) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    size = (width, 4.5)
    made: tuple[Any, Any] = pyplot.subplots(
        1, panels, figsize=size, layout="constrained", squeeze=False
    )
    return made


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color="#d0d7de", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_curves(curves: dict[str, Any], path: Path) -> None:
    figure, ((throughput, latency),) = _figure(12, 2)
    _label(throughput, "Answers, 32 connections", "requests due a second", "answers a second")
    _label(latency, "Time from due to answered", "requests due a second", "milliseconds")
    for name, points in curves.items():
        rates = [each["rate"] for each in points]
        colour, label = _COLOURS[name], _NAMES[name]
        answers, p50, p99 = ([each[key] for each in points] for key in ("throughput", "p50", "p99"))
        throughput.plot(rates, answers, "o-", color=colour, label=label)
        latency.plot(rates, p99, "o-", color=colour, label=f"{label}: p99")
        latency.plot(rates, p50, "o--", color=colour, alpha=0.5, label=f"{label}: p50")
    latency.set_yscale("log")
    latency.yaxis.set_major_formatter("{x:g}")
    throughput.set_ylim(bottom=0)
    for axes in (throughput, latency):
        axes.set_xlim(left=0)
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100)


def _plot_outage(outage: dict[str, Any], path: Path) -> None:
    figure, ((axes,),) = _figure(8, 1)
    title = "Events waiting on disk while the store is away"
    _label(axes, f"{title}, {outage['rate']:,} events a second", "seconds", "events")
    seconds, events = zip(*outage["backlog"], strict=True)
    away, back = outage["away_s"]
    axes.axvspan(away, back, color="#ffebe9", label="the store is away")
    axes.plot(seconds, events, color=_COLOURS["us"], label="not yet in the store")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100)
