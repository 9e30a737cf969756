#!/bin/sh
# Runs copilot-api with the GitHub token where it looks for one: in a file in its home, which is in memory. Never an
# argument, which others can see.
set -eu
umask 077

fail() {
    echo "keygate: $1" >&2
    exit 1
}

if [ -n "${GITHUB_TOKEN_FILE:-}" ]; then
    [ -r "$GITHUB_TOKEN_FILE" ] || fail "GITHUB_TOKEN_FILE can't be read by uid $(id -u), gid $(id -G): it has $(stat -L -c 'uid %u, gid %g, mode %04a' "$GITHUB_TOKEN_FILE")"
    GITHUB_TOKEN=$(cat "$GITHUB_TOKEN_FILE")
fi
case ${GITHUB_TOKEN:-} in
'' | *[!A-Za-z0-9_-]*) fail 'GITHUB_TOKEN: expected a token of letters, digits, _ and -' ;;
esac

mkdir -p "$HOME/.local/share/copilot-api"
printf %s "$GITHUB_TOKEN" > "$HOME/.local/share/copilot-api/github_token"
unset GITHUB_TOKEN
exec node --import /usr/local/lib/keygate/drain.mjs /app/dist/main.js start --port 4141 --account-type "${ACCOUNT_TYPE:-individual}"
