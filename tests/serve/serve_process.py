"""The service with the fake engine as a process of its own, for what only a process shows: ``python serve_process.py PORT [JSON]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from serve_fakes import FakeEngine, FakeRecords

from crossaisle.serve.run import listen, serve_one, start_log
from crossaisle.serve.settings import ServeSettings


def main() -> int:
    options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    settings = ServeSettings.from_dict(options.get("settings", {}))
    start_log(settings)
    records = FakeRecords()
    engine = FakeEngine(records, options.get("seconds", 0.0))
    address = listen("127.0.0.1", int(sys.argv[1]))
    paths = {name: Path(options[name]) for name in ("keys", "media") if name in options}
    return serve_one(lambda: (engine, records), address, settings, ready=lambda: print(address.getsockname()[1], flush=True), **paths)


if __name__ == "__main__":
    sys.exit(main())
