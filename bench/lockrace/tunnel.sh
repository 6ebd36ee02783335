#!/bin/bash
# A peer for the race: rsync through a socat tunnel with mutual TLS, in the manner of the
# rsync_tunnel method that some distributions ship (Debian does not). One rsync stream over
# all of the datadir under the server's lock; certificates from tca, tcert and tkey in [sst].
set -eu
role= address= datadir= gtid= domain= defaults=
while [ $# -gt 0 ]; do
  case $1 in
    --role) role=$2; shift ;;
    --address) address=$2; shift ;;
    --datadir) datadir=$2; shift ;;
    --gtid) gtid=$2; shift ;;
    --gtid-domain-id) domain=$2; shift ;;
    --defaults-file) defaults=$2; shift ;;
    --mysqld-args) break ;;
  esac
  shift
done
option() { my_print_defaults --defaults-file="$defaults" sst | sed -n "s/^--$1=//p" | tail -1; }
tls="cert=$(option tcert),key=$(option tkey),cafile=$(option tca),verify=1"
host=${address%%:*}
port=${address#*:}; port=${port%%/*}
work=$datadir/.rsync_tunnel
local_port=$((port + 1000))
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$work"

if [ "$role" = joiner ]; then
  cat >"$work/rsyncd.conf" <<END
pid file = $work/rsyncd.pid
use chroot = no
[data]
  path = $datadir
  read only = no
END
  rsync --daemon --no-detach --address "$host" --port "$local_port" --config "$work/rsyncd.conf" &
  socat "openssl-listen:$port,bind=$host,reuseaddr,fork,$tls" "tcp:$host:$local_port" &
  echo "ready $address/rsync_tunnel"
  until [ -s "$datadir/rsync_tunnel_done" ]; do sleep 0.05; done
  done=$(cat "$datadir/rsync_tunnel_done")
  rm "$datadir/rsync_tunnel_done"
  echo "$done"
  exit 0
fi

rm -f "$datadir/tables_flushed"
echo "flush tables"
until [ -s "$datadir/tables_flushed" ]; do sleep 0.05; done
at=$(cat "$datadir/tables_flushed")
rm -f "$datadir/tables_flushed"
socat "tcp-listen:$local_port,bind=127.0.0.1,reuseaddr,fork" "openssl:$host:$port,commonname=node2,$tls" &
until ss -ltn | grep -q "127.0.0.1:$local_port "; do sleep 0.05; done
rsync -rlpt --inplace --whole-file --delete --exclude .rsync_tunnel --exclude 'galera.cache' --exclude 'grastate.dat' --exclude 'gvwstate.dat' \
  --exclude 'ibtmp1' --exclude '*.pid' --exclude '*.sock' --exclude sst_in_progress --exclude 'db-bin*' --exclude 'tables_flushed*' --exclude auto.cnf \
  "${datadir%/}/" "rsync://127.0.0.1:$local_port/data/"
echo "continue"
echo "$at" >"$work/done"
rsync "$work/done" "rsync://127.0.0.1:$local_port/data/rsync_tunnel_done"
echo "done $at"
