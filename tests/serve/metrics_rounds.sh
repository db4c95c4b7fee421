#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of serve_metrics_test: the daemon with its metrics, and a Prometheus that asks for them. Leaves in /tmp/results: list,
# metrics, status; queries of Prometheus as query-N; sockets; what was said.

# shellcheck disable=SC1091,SC2086,SC2154  # daemon.sh, beside this file, sets mount, file and daemon
cd /tmp/results || exit
. /root/daemon.sh

# These two programs are not static.
mkdir -p /lib64
ln -s /root/ld-linux-x86-64.so.2 /lib64/
export LD_LIBRARY_PATH=/root

orphan serve --state $state --first 100000 --period 100000 --min-age 1 --interval 1 --metrics 9469 2>daemon.errors &
daemon=$!
wait_for answers || echo "the daemon does not answer" >>trouble
load_module
scan_for 14 list
cat $mount/kernel/status >status
cat /proc/$daemon/task/*/status >threads
run metrics wget -q -O - http://127.0.0.1:9469/metrics
cat /proc/net/tcp /proc/net/tcp6 >sockets 2>/dev/null

cat >/tmp/prometheus.yml <<'END'
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: orphan
    static_configs: [{targets: ["127.0.0.1:9469"]}]
END
prometheus --config.file=/tmp/prometheus.yml --storage.tsdb.path=/tmp/prometheus --web.listen-address=127.0.0.1:9090 \
    >prometheus.log 2>&1 &
prometheus=$!
query() { # $2 into the file $1
    wget -q -O "$1" "http://127.0.0.1:9090/api/v1/query?query=$2" 2>/dev/null && grep -q '"value"' "$1"
}
wait_for query query-up up
wait_for query query-leaked 'sum(orphan_leaked_objects)'
query query-scans orphan_scans_total
kill $prometheus
kill $daemon
end_of $daemon end
