#!/bin/bash
# PID 1 of a stage: owns its mount, network and process namespaces, its tmpfs and its loop devices.
# When the harness goes away, however it ends, standard input closes, this shell ends, and the kernel
# takes all of it back. /proc stays the outer one: process numbers given to nsenter are outer ones.
set -eu
stage=$1
mount --make-rprivate /
mount -t tmpfs -o mode=0700 tmpfs "$stage"
mkdir -p "$stage"/{layer,upper,work,root,run,proc,sysfs/tpm0,sysfs/hypervisor,tpm,probe,edit,home}
ip link set lo up
hostname dom0
read -r pid _ </proc/self/stat
echo "ready $pid"
while read -r _; do :; done
