"""Serves a folder with a page, and mints the tokens of the page's clients.

    python examples/serve.py examples/cursors

Every page needs a back end for its tokens: this is one for pages without any other.
"""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import syncline

service = syncline.Service.from_environment()


class Handler(SimpleHTTPRequestHandler):
    """Files, and `/token`."""

    def do_GET(self) -> None:
        """Answer `/token?identity=…` with a token; everything else is a file."""
        target = urlsplit(self.path)
        if target.path != "/token":
            super().do_GET()
            return
        # In your application: the user who is logged in, not what a page asks for.
        identity = parse_qs(target.query).get("identity", [""])[0]
        try:
            token = service.mint_token(identity)
        except ValueError as error:
            self.send_error(400, explain=str(error))
            return
        body = json.dumps({"url": os.environ["SYNCLINE_URL"], "token": token}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder, and tokens at /token.")
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    handler = partial(Handler, directory=options.folder)
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        print(f"Open http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
