#!/bin/bash
# A control group of its own for a systemd that is not this machine's, and an end for it when the test ends.
# Arguments: a folder, the script of PID 1, and what that wants. Runs in a mount namespace of its own.
set -eu
folder=$1 script=$2
shift 2
mkdir "$folder/cgroup"
mount -t cgroup2 cgroup2 "$folder/cgroup"
own=$folder/cgroup/aem-stage-$$
mkdir "$own"
bash -c 'echo 0 >"$1/cgroup.procs"; shift; exec unshare --cgroup --pid --fork --kill-child --mount --ipc --uts bash "$@"' \
  -- "$own" "$script" "$folder" "$@" </dev/null &
manager=$!
# standard input is held open by the test for as long as it lives
{ while read -r _; do :; done; kill -KILL "$manager"; } <&0 &
watcher=$!
wait "$manager" || true
kill "$watcher" 2>/dev/null || true
for _ in 1 2 3 4 5 6 7 8 9 10; do
  find "$own" -depth -type d -exec rmdir {} + 2>/dev/null && break
  sleep 0.1
done
umount "$folder/cgroup"
