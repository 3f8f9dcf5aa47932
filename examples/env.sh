# How the examples find the server of `make run` on this machine, and log in to it:
#
#     . examples/env.sh
#
# Elsewhere, set these variables yourself.
export SYNCLINE_URL="${SYNCLINE_URL:-http://127.0.0.1:8040}"
eval "$(python3 - "${SYNCLINE_DATA_DIR:-syncline-data}" <<'EOF'
import json
import pathlib
import sys

known = json.loads((pathlib.Path(sys.argv[1]) / "credentials.json").read_text())
key_sid, key_secret = next(iter(known["api_keys"].items()))
print(f"export SYNCLINE_ACCOUNT_SID={known['account_sid']}")
print(f"export SYNCLINE_AUTH_TOKEN={known['auth_token']}")
print(f"export SYNCLINE_API_KEY_SID={key_sid} SYNCLINE_API_KEY_SECRET={key_secret}")
EOF
)"
