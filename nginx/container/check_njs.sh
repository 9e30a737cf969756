#!/bin/sh
# check_njs.sh VERSION: fails unless nginx has njs of that version or newer, with the QuickJS engine. Asks a running
# nginx, since no command tells it.
set -eu
least=$1
dir=$(mktemp -d)
trap 'kill $(cat "$dir/pid" 2>/dev/null) 2>/dev/null || true; rm -rf "$dir"' EXIT

configure() {
    cat > "$dir/nginx.conf" <<CONF
load_module /usr/lib/nginx/modules/ngx_http_js_module.so;
user root;
pid $dir/pid;
error_log stderr error;
events {}
http {
    access_log off;
    $1
    js_import probe from $dir/probe.js;
    server { listen unix:$dir/socket; location / { js_content probe.version; } }
}
CONF
}

echo 'export default { version: (r) => r.return(200, njs.version) };' > "$dir/probe.js"
configure ''
nginx -e stderr -c "$dir/nginx.conf"
found=$(curl -fsS --retry 5 --retry-connrefused --unix-socket "$dir/socket" http://localhost/)
older=$(printf '%s\n%s\n' "$least" "$found" | sort -V | head -n 1)
if [ "$older" != "$least" ]; then
    echo "keygate: njs $found is too old: expected $least or newer (0.9.9 to 1.0.0 can be bypassed, CVE-2026-18329)" >&2
    exit 1
fi
configure 'js_engine qjs;'
nginx -t -q -e stderr -c "$dir/nginx.conf"
echo "njs $found"
