#!/bin/sh
# Runs nginx in its container, with the key of a secret file where there is one: nginx knows it as a variable only.
set -eu

if [ -n "${API_KEY_FILE:-}" ]; then
    API_KEY=$(cat "$API_KEY_FILE")
    export API_KEY
fi

# In a pod nobody else reloads nginx when the certificate in a mounted folder changes. nginx goes on with the old
# certificate where the new one can't be used.
reload_on_change() {
    loaded=$(cat "$1"/* | cksum)
    while sleep 5; do
        found=$(cat "$1"/* | cksum)
        [ "$found" = "$loaded" ] && continue
        loaded=$found
        echo "keygate: $1 has changed: nginx reloads" >&2
        nginx -e stderr -s reload || true
    done
}
[ -z "${RELOAD_ON_CHANGE:-}" ] || reload_on_change "$RELOAD_ON_CHANGE" &

exec nginx -e stderr
