"""The results as a table and as plots."""

from pathlib import Path
from statistics import median
from typing import Any

_COLOURS = {"us": "#1f6feb", "bare": "#6e7781", "put": "#d1242f"}
_NAMES = {
    "us": "this server",
    "bare": "bare Tornado, stores nothing",
    "put": "one put_object per event",
}
# The corpus that no sender sends.
_IDEAL = "ideal"


def write(results: dict[str, Any], folder: Path) -> str:
    """Write `table.md` and the plots of the results, and return the table."""
    text = table(results)
    (folder / "table.md").write_text(text)
    if "curves" in results:
        _plot_curves(results["curves"], folder / "latency.png")
    if "outage" in results:
        _plot_outage(results["outage"], folder / "outage.png")
    if "corpora" in results:
        _plot_corpora(results["corpora"], folder / "corpora.png")
    return text


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    rows = [row for name, show in _ROWS.items() if name in results for row in show(results[name])]
    found = results["machine"]
    machine = (
        f"{found['processor']}, {found['memory']}, {found['system']}, Python {found['python']}"
    )
    lines = [
        f"Measured on {machine}, with load generator and store on the same machine.",
        "",
        "| measurement | result |",
        "| --- | --- |",
        *(f"| {name} | {result} |" for name, result in rows),
    ]
    return "\n".join(lines) + "\n"


Rows = list[tuple[str, str]]


def _throughput(found: dict[str, Any]) -> Rows:
    ratios = found["ratios"]
    return [
        ("single events, 32 connections", f"{found['us']:,.0f} requests/s"),
        ("the same without access log", f"{found['quiet']:,.0f} requests/s"),
        (
            "ratio to a bare Tornado handler",
            f"{ratios['us / bare']:.2f} ({ratios['quiet / bare']:.2f} without access log)",
        ),
        ("ratio to one `put_object` per event", f"{ratios['us / put']:.1f}"),
        ("events in batches of 100, 8 connections", f"{found['batches']:,.0f} events/s"),
        (
            "ratio of these events/s to the bare handler's requests/s",
            f"{ratios['batches / bare']:.1f}",
        ),
    ]


def _corpora(found: dict[str, Any]) -> Rows:
    ratios = found["ratios"]
    realistic = [
        ratio
        for name, ratio in ratios.items()
        if name.endswith(", 100") and not name.startswith(_IDEAL)
    ]
    rates = found["events_per_s"]
    return [
        (
            "realistic events in batches of 100, divided by bare requests/s: median of all corpora",
            f"{median(realistic):.1f} (lowest: {min(realistic):.1f})",
        ),
        *(
            (
                f"{_case(name)}, divided by bare requests/s",
                f"{ratio:.{1 if ratio >= 10 else 2}f} ({rates[name]:,.0f} events/s)",
            )
            for name, ratio in ratios.items()
        ),
    ]


def _case(name: str) -> str:
    """Return the label of a case with a name such as `sdk, 100`, or `beacon, single`."""
    corpus, _, size = name.partition(", ")
    return f"`{corpus}`, single events" if size == "single" else f"`{corpus}`, batches of {size}"


def _half_load(found: dict[str, Any]) -> Rows:
    ours, bare, sync = found["us"], found["bare"], found["sync_ms"]
    return [
        (
            f"latency at {found['rate']:,.0f} requests/s (50 % of peak)",
            f"p50 {ours['p50']:.1f} ms, p99 {ours['p99']:.1f} ms (bare: p99 {bare['p99']:.1f} ms)",
        ),
        ("one `fdatasync` of 4 KiB", f"p50 {sync['p50']:.2f} ms, p99 {sync['p99']:.2f} ms"),
    ]


def _backlog(found: dict[str, Any]) -> Rows:
    during, idle = found["during"], found["idle"]
    return [
        (
            f"latency at {found['rate']:,.0f} requests/s while 1 GiB is shipped",
            f"p99 {during['p99']:.1f} ms ({idle['p99']:.1f} ms otherwise)",
        ),
        (f"time to ship 1 GiB, {found['events']:,} events", f"{found['shipped_in_s']:.0f} s"),
    ]


def _put_cost(found: dict[str, Any]) -> Rows:
    ours, theirs = found["ours"], found["put_object"]
    return [
        (
            "CPU time per object with one event",
            f"{ours:.2f} ms (`put_object`: {theirs:.2f} ms)",
        )
    ]


def _delivery(found: dict[str, Any]) -> Rows:
    return [
        (
            "time from a request to its object in the store, at 50 % of peak",
            f"p50 {found['p50']:.1f} s, p99 {found['p99']:.1f} s",
        )
    ]


def _start(found: dict[str, Any]) -> Rows:
    return [("time from start to the first accepted event", f"{found['median']:.2f} s")]


def _memory(found: dict[str, Any]) -> Rows:
    minutes = found["samples"][-1][0] / 60
    return [
        (
            f"memory during {minutes:.0f} minutes of peak load while the store is down",
            f"at most {found['max_mib']:.0f} MiB, {found['events']:,} events pending on disk",
        )
    ]


def _processes(found: dict[str, Any]) -> Rows:
    return [
        (
            "two processes on one port, two cores shared with the load",
            f"{found['two']:,.0f} requests/s (one: {found['one']:,.0f})",
        )
    ]


_ROWS = {
    "throughput": _throughput,
    "corpora": _corpora,
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
    _label(throughput, "Throughput, 32 connections", "offered load, requests/s", "responses/s")
    _label(latency, "Latency since a request was due", "offered load, requests/s", "ms")
    for name, points in curves.items():
        rates = [each["rate"] for each in points]
        colour, label = _COLOURS[name], _NAMES[name]
        throughputs, p50, p99 = (
            [each[key] for each in points] for key in ("throughput", "p50", "p99")
        )
        throughput.plot(rates, throughputs, "o-", color=colour, label=label)
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
    title = "Events pending on disk while the store is down"
    _label(axes, f"{title}, {outage['rate']:,} events/s", "s", "events")
    seconds, events = zip(*outage["backlog"], strict=True)
    away, back = outage["away_s"]
    axes.axvspan(away, back, color="#ffebe9", label="store down")
    axes.plot(seconds, events, color=_COLOURS["us"], label="not yet delivered")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100)


def _plot_corpora(corpora: dict[str, Any], path: Path) -> None:
    figure, ((axes,),) = _figure(9, 1)
    _label(axes, "Events/s, divided by the requests/s of bare Tornado", "ratio", "")
    names = list(corpora["ratios"])
    bars = axes.barh(
        [_case(each).replace("`", "") for each in names],
        list(corpora["ratios"].values()),
        color=[_COLOURS["bare" if each.startswith(_IDEAL) else "us"] for each in names],
    )
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    for at, name in enumerate(names):
        rounds = [each["events_per_s"] / each["bare"] for each in corpora["rounds"][name]]
        axes.plot(rounds, [at] * len(rounds), "|", color="#24292f", alpha=0.6)
    axes.set_axisbelow(True)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    figure.savefig(path, dpi=100)
