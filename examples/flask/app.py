"""A poll: each vote is one increment, which the server applies, so that none is lost."""

from __future__ import annotations

from flask import Flask, Response, abort, jsonify, request

import syncline

CHOICES = ("tea", "coffee")

# One for the process: threads share its connections, and a forked worker opens its own.
service = syncline.Service.from_environment()
app = Flask(__name__)


@app.get("/token")
def mint_token() -> Response:
    """A token for a browser. In your application, the identity is that of the login."""
    token = service.mint_token(request.args["identity"], ttl=3600)
    return Response(token, mimetype="text/plain")


@app.get("/poll")
def read_poll() -> Response:
    """The votes so far."""
    poll = service.documents.get_or_create("poll", dict.fromkeys(CHOICES, 0))
    return jsonify(poll.data)


@app.post("/poll/<choice>")
def vote(choice: str) -> Response:
    """Count a vote."""
    if choice not in CHOICES:
        abort(404)
    poll = service.documents.get_or_create("poll", dict.fromkeys(CHOICES, 0))
    return jsonify(poll.increment(f"/{choice}"))
