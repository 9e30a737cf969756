#!/bin/sh
# Takes out of an image what could install more. dpkg's list of packages stays: scanners read it.
set -eu

rm -rf /usr/local/lib/node_modules /usr/share/nodejs/npm /usr/share/nodejs/corepack /opt/yarn-* \
    /usr/lib/apt /etc/apt /var/lib/apt /var/cache/apt /usr/share/dpkg /usr/lib/dpkg /root/.npm /root/.bun
for name in npm npx yarn yarnpkg pnpm corepack apt apt-get apt-cache apt-cdrom apt-config apt-key apt-mark dpkg \
    dpkg-deb dpkg-query dpkg-divert dpkg-split dpkg-trigger dpkg-statoverride dpkg-maintscript-helper dpkg-realpath \
    dpkg-reconfigure dpkg-preconfigure dselect; do
    rm -f "/usr/local/bin/$name" "/usr/bin/$name" "/usr/sbin/$name"
done
