#!/bin/sh
# The admin command in its container, with what `setup` found out.
exec node --env-file-if-exists=/etc/keygate/nginx/verifier.env /opt/keygate/dist/keygate_command.js "$@"
