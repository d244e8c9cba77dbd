"""Long runs: 1,000 turns in a kernel, 200 sessions at one simulator, and the deltas of 8 hours.

This takes minutes, so it only runs by name. Memory, threads, sockets, comms, widgets and processes are counted inside
the kernel, after `gc.collect()`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from statistics import median

from benchmarks.endpoint import ROOT, EndpointProcess
from benchmarks.kernels import Kernel, Run
from benchmarks.measurements import Measurement

TURNS, TRACED, WINDOW = 1_000, 200, 21
PROCESSES, SESSIONS, QUESTIONS = 10, 20, 5
HOURS, HOUR, CELLS = 8, 60 * 60 * 60, 4
"""The deltas of an hour at 60 per second, and the number of answers for them: one has at most 65,536 tokens."""

SETUP = """
%load_ext mm_magics
import contextlib, gc, json, os, threading, tracemalloc
import comm, ipywidgets.widgets.widget as widget, psutil
process = psutil.Process()


def opened():
    "Yield the open files and sockets. (The journal of IPython's own history is not always open.)"
    for each in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            yield os.readlink(each.path)


def counted():
    gc.collect()
    return {
        "rss": process.memory_info().rss,
        "threads": process.num_threads(),
        "files and sockets": len([each for each in opened() if not each.endswith("-journal")]),
        "comms": len(comm.get_comm_manager().comms),
        "widgets": len(widget._instances),
        "processes": len(process.children(recursive=True)),
    }


def turns():
    from mm_magics.ipython.magics import MiniMaxMagics
    (magics,) = [each for each in gc.get_objects() if type(each) is MiniMaxMagics]
    return magics.session.history.turns("main")


def turn_memory(count):
    "Return the memory of the last turns alone, by loading them again from their records."
    from mm_magics.history.turn import Turn
    written = [json.dumps(turn.record()) for turn in turns()[-count:]]
    before = tracemalloc.get_traced_memory()[0]
    made = [Turn.from_record(json.loads(each)) for each in written]
    for each in made:
        each.prepared
    return tracemalloc.get_traced_memory()[0] - before


"""
LEAKS = ("threads", "files and sockets", "comms", "widgets", "processes")

CLIENTS = """
import sys, threading
from mm_magics import Session

base_url, key, number, sessions, questions = sys.argv[1:3] + [int(each) for each in sys.argv[3:]]
wrong = []

def talk(name):
    with Session(base_url=base_url, api_key=key) as session:
        for count in range(questions):
            try:
                answer = f"{name}-{count}"
                turn = session.ask(f'[[simulator: say="{answer}"]]')
                if turn.text != answer or len(session.history.turns("main")) != count + 1:
                    wrong.append(turn.text)
            except Exception as error:
                wrong.append(repr(error))

threads = [threading.Thread(target=talk, args=(f"{number}-{each}",)) for each in range(sessions)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(wrong), threading.active_count() - 1)
"""


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    yield from _turns(endpoint)
    yield from _growing(endpoint)
    yield from _sessions(endpoint)
    yield from _hours(endpoint)


def _ask(kernel: Kernel, number: int, flags: str = "", prompt: str = "What is a reef?") -> Run:
    return kernel.run(f"%%minimax {flags}\n{prompt}", {"cellId": f"cell-{number}"}, settle=0.0)


def _turns(endpoint: EndpointProcess) -> Iterator[Measurement]:
    with Kernel(endpoint.base_url, endpoint.key, SETUP) as kernel:
        runs = [_ask(kernel, number, "--context 5") for number in range(50)]
        before = kernel.value("counted()")
        runs += [_ask(kernel, number, "--context 5") for number in range(50, TURNS)]
        after = kernel.value("counted()")
        yield _flat(f"turns 51 to {TURNS:,} of a kernel", before, after)
        yield Measurement(
            "the same: resident memory per turn", (after["rss"] - before["rss"]) / (TURNS - 50) / 1000, 40, "{:.1f} kB"
        )
        early, middle, late = (_typical(runs[at : at + WINDOW]) for at in (10, TURNS // 2, TURNS - WINDOW))
        note = f"{early * 1000:.1f} ms, {middle * 1000:.1f} ms, {late * 1000:.1f} ms; --context 5"
        yield Measurement(f"turn {TURNS:,} ÷ turn 10: CPU", late / early, 1.5, note=note)
        yield Measurement(f"turn {TURNS // 2} ÷ turn 10: CPU", middle / early, 1.5)
        kernel.run("tracemalloc.start()")
        for number in range(TURNS, TURNS + 20):
            _ask(kernel, number, "--context 5")
        start = kernel.value("(gc.collect(), tracemalloc.get_traced_memory()[0])[1]")
        for number in range(TURNS + 20, TURNS + 20 + TRACED):
            _ask(kernel, number, "--context 5")
        grown = kernel.value("(gc.collect(), tracemalloc.get_traced_memory()[0])[1]") - start
        own = kernel.value(f"turn_memory({TRACED})")
        beyond = (grown - own) / TRACED / 1000
        note = f"{grown / TRACED / 1000:.1f} kB growth, {own / TRACED / 1000:.1f} kB of the turn itself, by tracemalloc"
        yield Measurement("memory per turn beyond the turn itself", beyond, 20, "{:.1f} kB", note)


def _growing(endpoint: EndpointProcess) -> Iterator[Measurement]:
    """Measure the CPU time of a turn if all turns above are sent each time."""
    with Kernel(endpoint.base_url, endpoint.key, SETUP) as kernel:
        runs = [_ask(kernel, number) for number in range(TURNS)]
        early, late = (_typical(runs[at : at + WINDOW]) for at in (10, TURNS - WINDOW))
        note = f"{early * 1000:.1f} ms against {late * 1000:.1f} ms"
        yield Measurement(
            f"turn {TURNS:,} - turn 10, sending all turns above: CPU", (late - early) * 1000, None, "{:.0f} ms", note
        )


def _sessions(endpoint: EndpointProcess) -> Iterator[Measurement]:
    began = time.monotonic()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENTS, endpoint.base_url, endpoint.key, str(each), str(SESSIONS), str(QUESTIONS)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in range(PROCESSES)
    ]
    outputs = [process.communicate()[0].split() or ["1", "1"] for process in started]
    count = PROCESSES * SESSIONS
    note = f"{count * QUESTIONS:,} turns in {time.monotonic() - began:.0f} s, {SESSIONS} sessions per process"
    yield Measurement(
        f"{count} sessions at one simulator: wrong answers", sum(int(each[0]) for each in outputs), 0, "{:.0f}", note
    )
    yield Measurement("the same: threads left", sum(int(each[1]) for each in outputs), 0, "{:.0f}")


def _hours(endpoint: EndpointProcess) -> Iterator[Measurement]:
    """Stream hours of deltas at full speed, in as many prompt cells as the token limit of an answer requires."""
    with Kernel(endpoint.base_url, endpoint.key, SETUP) as kernel:
        spent, counts = [], []
        for hour in range(HOURS):
            runs = [_deltas(kernel, endpoint, HOUR // CELLS, hour * CELLS + cell) for cell in range(CELLS)]
            spent.append(sum(run.cpu for run in runs))
            counts.append(kernel.value("counted()"))
    name = f"{HOURS} hours of 60 deltas/s ({HOURS * HOUR:,}), {CELLS} cells per hour"
    note = ", ".join(f"{each:.1f}" for each in spent) + " s"
    yield Measurement(f"{name}: CPU of the last hour ÷ the first's", spent[-1] / spent[0], 1.5, note=note)
    yield _flat("the same, hour 2 to the last", counts[0], counts[-1])
    grown = (counts[-1]["rss"] - counts[0]["rss"]) / (HOURS - 1) / (HOUR * 4)
    note = ", ".join(f"{each['rss'] / 1e6:.0f}" for each in counts) + " MB"
    yield Measurement("the same: resident memory ÷ the text", grown, 16, note=note)


def _deltas(kernel: Kernel, endpoint: EndpointProcess, deltas: int, number: int) -> Run:
    text = endpoint.prepare(deltas, 4)
    run = _ask(kernel, number, "--context none", "Write.")
    if run.text != text:
        raise RuntimeError(f"of {len(text):,} characters, {len(run.text):,} were shown")
    return run


def _flat(name: str, before: Mapping[str, int], after: Mapping[str, int]) -> Measurement:
    grown = {each: after[each] - before[each] for each in LEAKS}
    note = ", ".join(f"{count:+d} {each}" for each, count in grown.items())
    return Measurement(f"{name}: additional {', '.join(LEAKS)}", max(grown.values()), 0, "{:.0f}", note)


def _typical(runs: list[Run]) -> float:
    return median(run.cpu for run in runs)
