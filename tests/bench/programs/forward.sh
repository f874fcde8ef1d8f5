#!/bin/sh
# What Debian's webhook starts for each alert: maps with jq, posts with curl.
# forward.sh UPSTREAM CA PAYLOAD KEY
set -eu
printf '%s' "$3" |
    jq -c '{title_rule: .df_title, event_status: "Critical", description: .df_message,
            alert_key: .df_monitor_checker_event_ref,
            labels: {check: .df_monitor_checker_name, link: .df_event_link, host: .host}}' |
    curl -sS --fail --max-time 4 --cacert "$2" --json @- "$1?integration_key=$4"
