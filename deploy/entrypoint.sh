#!/bin/sh
# Maps the container's command to a role; everything after the role goes to the program as it is.
set -eu
role=${1:-standalone}
[ $# -gt 0 ] && shift
case "$role" in
  standalone) exec greenup run "${@:-steady}" ;;
  master) exec locust -f "${LOCUSTFILE:-locustfiles/steady.py}" --master "$@" ;;
  worker) exec locust -f "${LOCUSTFILE:-locustfiles/steady.py}" --worker --master-host "${MASTER_HOST:?set MASTER_HOST to the master}" "$@" ;;
  report) greenup summary "$@" && exec greenup report "$@" ;;
  *) exec greenup "$role" "$@" ;;
esac
