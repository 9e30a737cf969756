#!/bin/sh
# Runs nginx in its container: keys from a secret file, and a configuration that is taken up when it changes.
set -eu

if [ -n "${API_KEY_FILE:-}" ]; then
    API_KEY=$(cat "$API_KEY_FILE")
    export API_KEY
fi

# The container `setup` writes a new configuration when settings have changed; one that nginx refuses is left alone.
take_up_changes() {
    used=$(cat /etc/nginx/generation)
    while sleep 1; do
        rendered=$(cat /etc/nginx/generation)
        if [ "$rendered" != "$used" ]; then
            used=$rendered
            nginx -t -q && nginx -s reload
        fi
    done
}

take_up_changes &
exec nginx -e stderr
