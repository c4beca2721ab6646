#!/usr/bin/env bash
# Keeps a hypervisor apart from the machine that it runs on: `unshare --mount keeper.sh DIRECTORY`.
#
# In this mount namespace the directories of libvirt and of auditd are empty ones below DIRECTORY, so that nothing of
# the machine is read or written. The kernel has one audit for all namespaces: its state is put back. Prints `ready`
# (or `busy: why`), holds until its standard input ends, however its parent came to its end, and then ends
# every process that lives in the namespace, puts back what it changed and removes DIRECTORY.
set -u
trap '' INT HUP TERM
directory=$1
images=/var/lib/libvirt/images

# One audit, so one hypervisor at a time; who comes second waits here.
exec 8>/run/migration-audit-test-hypervisor.lock
flock 8

settings() { auditctl -s | grep -E '^(enabled|failure|pid|rate_limit|backlog_limit|backlog_wait_time) '; }
had_settings=$(settings)
give_up() {
  echo "busy: $1"
  rm -rf --one-file-system "$directory"
  exit 3
}
value_of() { awk -v name="$1" '$1 == name { print $2 }' <<<"$had_settings"; }
if [ "$(value_of pid)" != 0 ] || [ "$(auditctl -l)" != 'No rules' ]; then
  give_up "auditd runs or audit rules are loaded on this machine"
fi

cgroups() { find /sys/fs/cgroup -depth -type d \( -path '*/machine' -o -path '*/machine/*' \); }
had_cgroups=$(cgroups)
directories='etc/libvirt run/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt etc/audit var/log/audit'
for each in $directories; do
  mkdir -p "$directory/$each" "/$each"
  mount --bind "$directory/$each" "/$each" || give_up "cannot mount over /$each"
done
mkdir -p "$images"
# Whoever asks process 1 for the host's mounts is told of those of this host.
mount --bind "/proc/$$/mountinfo" /proc/1/mountinfo || give_up "cannot mount over /proc/1/mountinfo"
# Where no udev gave KVM to its group, root can use it and the user of the guests cannot: then libvirt, which finds
# that odd, probes QEMU anew at every turn.
had_kvm=$(stat -c '%u:%g %a' /dev/kvm 2>/dev/null)
[ -n "$had_kvm" ] && chgrp kvm /dev/kvm && chmod 660 /dev/kvm
echo ready
while read -r _; do :; done

# Guests have mount namespaces of their own, made from this one: whoever sees our images is ours.
ours() {
  local process
  # never everybody: only while the images are those of the directory
  [ "$images" -ef "$directory$images" ] || return
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    if [ "$process" != $$ ] && [ "$process" != "$BASHPID" ] && [ "/proc/$process/root$images" -ef "$images" ]; then
      echo "$process"
    fi
  done
}
for signal in TERM KILL; do
  kill -$signal $(ours) 2>/dev/null
  for _ in $(seq 100); do
    left=$(ours)
    [ -z "$left" ] && break 2
    sleep 0.05
  done
done

auditctl -D >/dev/null
auditctl -b "$(value_of backlog_limit)" >/dev/null
auditctl --backlog_wait_time "$(value_of backlog_wait_time)" >/dev/null
auditctl -e "$(value_of enabled)" >/dev/null
[ -n "$had_kvm" ] && chown "${had_kvm% *}" /dev/kvm && chmod "${had_kvm#* }" /dev/kvm
if [ -z "$had_cgroups" ]; then
  # one of an ended process is busy for a moment
  for _ in $(seq 100); do
    [ -z "$(cgroups)" ] && break
    rmdir $(cgroups) 2>/dev/null
    sleep 0.05
  done
fi
for each in $directories; do umount --recursive --lazy "/$each"; done
rm -rf --one-file-system "$directory"

if [ "$(settings)" != "$had_settings" ] || [ "$(auditctl -l)" != 'No rules' ] || [ -n "$left" ] ||
  [ "$(cgroups)" != "$had_cgroups" ] || [ -e "$directory" ]; then
  echo "not put back: $left $(settings; auditctl -l; ls -d "$directory" 2>&1)" >&2
  exit 1
fi
