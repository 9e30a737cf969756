#!/bin/sh
# check_nginx.sh NGINX NJS: fails unless nginx and its njs have these versions or newer ones, with the QuickJS engine.
# Asks a running nginx for njs's, since no command tells it.
set -eu
least_nginx=$1
least_njs=$2
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

# check NAME VERSION LEAST WHY
check() {
    [ "$(printf '%s\n%s\n' "$3" "$2" | sort -V | head -n 1)" = "$3" ] && return
    echo "keygate: $1 $2 is too old: expected $3 or newer ($4)" >&2
    is_old=yes
}

is_old=
nginx=$(nginx -v 2>&1 | sed -n 's|.*nginx/\([0-9.]*\).*|\1|p')
check nginx "$nginx" "$least_nginx" 'keepalive_min_timeout'
echo 'export default { version: (r) => r.return(200, njs.version) };' > "$dir/probe.js"
configure ''
nginx -e stderr -c "$dir/nginx.conf"
njs=$(curl -fsS --retry 5 --retry-connrefused --unix-socket "$dir/socket" http://localhost/)
check njs "$njs" "$least_njs" '0.9.9 to 1.0.0 can be bypassed, CVE-2026-18329'
[ -z "$is_old" ] || exit 1
configure 'js_engine qjs;'
nginx -t -q -e stderr -c "$dir/nginx.conf"
echo "nginx $nginx, njs $njs"
