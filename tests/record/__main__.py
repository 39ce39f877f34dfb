"""`python -m record SERVICE [SCENARIO …]`: run a service, load it, write down what it sent and what was true."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from record import driver
from record.load import SCENARIOS
from record.service import Broken, Service, every

SAMPLES = Path(__file__).parents[1] / "samples"


def main() -> int:
    whole = argparse.ArgumentParser(prog="python -m record", description=__doc__)
    whole.add_argument("service", help=f"one of: {', '.join(every())}")
    whole.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; all that the service names if none")
    whole.add_argument("--seconds", type=float, default=30, help="how long requests are sent (default: 30)")
    whole.add_argument("-o", "--output", type=Path, default=SAMPLES, help="folder to write to (default: tests/samples)")
    options = whole.parse_args()
    try:
        service = Service.read(options.service)
        service.build()
        for name in options.scenario or service.scenarios:
            if name not in SCENARIOS:
                raise Broken(f"there is no scenario {name}\nhint: {', '.join(SCENARIOS)}")
            print(asyncio.run(driver.record(service, SCENARIOS[name], options.seconds, options.output)), flush=True)
    except Broken as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
