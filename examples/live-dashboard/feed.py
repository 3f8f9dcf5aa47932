"""Measures this machine, and writes what it finds for the page to show."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections import deque

import syncline

KEPT = 60
"""Values in a curve."""


class Gauge:
    """A value over time."""

    def __init__(self, title: str, unit: str) -> None:
        self.title = title
        self.unit = unit
        self.values: deque[float] = deque(maxlen=KEPT)

    def data(self) -> syncline.JsonObject:
        """What the page receives."""
        return {"title": self.title, "unit": self.unit, "values": list(self.values)}


def run(service: syncline.Service, interval: float) -> None:
    """Write all gauges until the program is stopped."""
    load, disk = Gauge("Load of a core", "%"), Gauge("Disk in use", "%")
    write = Gauge("Time of a write", "ms")
    gauges = service.maps.get_or_create("dashboard")
    # Without a feed the gauges expire, and the page says so.
    ttl = max(5, round(3 * interval))
    while True:
        load.values.append(round(100 * os.getloadavg()[0] / (os.cpu_count() or 1), 1))
        usage = shutil.disk_usage("/")
        disk.values.append(round(100 * usage.used / usage.total, 1))
        began = time.perf_counter()
        with gauges.batch() as batch:  # all together: the page never shows half of it
            batch.set("1-load", load.data(), ttl=ttl)
            batch.set("2-disk", disk.data(), ttl=ttl)
            batch.set("3-write", write.data(), ttl=ttl)
        write.values.append(round(1000 * (time.perf_counter() - began), 2))
        time.sleep(interval)


def main() -> None:
    parser = argparse.ArgumentParser(description="Feed the dashboard.")
    parser.add_argument("--interval", type=float, default=1, help="seconds between two writes")
    options = parser.parse_args()
    with syncline.Service.from_environment() as service:
        run(service, options.interval)


if __name__ == "__main__":
    main()
