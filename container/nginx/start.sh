#!/bin/sh
# Runs nginx in its container, with the key of a secret file where there is one: nginx knows it as a variable only.
set -eu

if [ -n "${API_KEY_FILE:-}" ]; then
    API_KEY=$(cat "$API_KEY_FILE")
    export API_KEY
fi
exec nginx -e stderr
