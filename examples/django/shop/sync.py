"""The client of this process.

A pre-fork server may load this before it forks: each worker opens connections of its own.
"""

import syncline

service = syncline.Service.from_environment()
