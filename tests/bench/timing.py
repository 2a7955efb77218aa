"""Two calls in turn, in processor time, so that what else the machine does meets both alike."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

Call = Callable[[], object]

ROUNDS = 15
# A batch is long enough for the clock.
_LEAST_SECONDS = 0.02


def heading(text: str) -> None:
    """What the next rows are."""
    print(f"\n{text}\n{'':<62}{'first':>10}{'second':>11}{'least':>9}{'median':>8}{'greatest':>9}  wanted")


def compare(title: str, first: Call, second: Call, wanted: str = "", rounds: int = ROUNDS) -> None:
    """One row: both in seconds of processor time (medians), and the least, median and greatest ratio of a round.

    Args:
        title: of the row.
        first: what is measured.
        second: what it is measured by.
        wanted: printed beside.
        rounds: how often the two take turns.
    """
    batches = [max(1, round(_LEAST_SECONDS / _once(call))) for call in (first, second)]
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        pair = []
        for call, batch in zip((first, second), batches, strict=True):
            start = time.process_time()
            for _ in range(batch):
                call()
            pair.append((time.process_time() - start) / batch)
        taken.append((pair[0], pair[1]))
    ratios = sorted(a / b for a, b in taken)
    medians = "".join(f"{seconds(statistics.median(t)):>11}" for t in zip(*taken, strict=True))
    spread = f"{ratios[0]:>9.3g}{statistics.median(ratios):>8.3g}{ratios[-1]:>9.3g}"
    print(f"{title:<61}{medians}{spread}  {wanted}".rstrip(), flush=True)


def _once(call: Call) -> float:
    """Seconds of one call, after one that warms up."""
    call()
    start = time.process_time()
    call()
    return max(time.process_time() - start, 1e-7)


def seconds(value: float) -> str:
    """In a unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def resident() -> int:
    """Bytes of memory that the process holds now; the peak so far where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_memory(code: str) -> int:
    """Bytes that a process of its own holds at most while it runs these lines."""
    # A child inherits ru_maxrss from its parent, but the high-water mark of its memory begins with its own program.
    ask = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    if not Path("/proc/self/status").exists():
        ask = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    command = [sys.executable, "-c", f"{code}; {ask}"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1024
