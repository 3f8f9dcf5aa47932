"""Worker process: `python -m syncline_server.runtime.worker`, started by `supervisor`."""

from __future__ import annotations

from .loading import loading

__all__ = ["main"]


def main() -> None:
    """Serve until SIGTERM or the end of the parent."""
    with loading():
        from .worker_server import serve
    serve()


if __name__ == "__main__":
    main()
