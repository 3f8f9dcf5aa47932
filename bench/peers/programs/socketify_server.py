"""socketify (uWebSockets): a topic for each document, published within the process.

python -m bench.peers.programs.socketify_server PORT
"""

from __future__ import annotations

import json
import sys
from typing import Any

from socketify import App, AppListenOptions, CompressOptions, OpCode


def main() -> None:
    """Serve until the process is ended."""
    app = App()

    def on_message(socket: Any, text: str, _: OpCode) -> None:
        # Confirmations are not JSON; they are read and dropped.
        if not text.startswith("{"):
            return
        message = json.loads(text)
        if "write" in message:
            app.publish(message["write"], text, OpCode.TEXT)
        else:
            socket.subscribe(message["follow"])
            socket.send(text, OpCode.TEXT)

    app.ws(
        "/*",
        {
            "compression": CompressOptions.DISABLED,
            "max_payload_length": 1024 * 1024,
            "max_backpressure": 64 * 1024 * 1024,
            "idle_timeout": 0,
            "message": on_message,
        },
    )
    app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda _: None)
    app.run()


if __name__ == "__main__":
    main()
