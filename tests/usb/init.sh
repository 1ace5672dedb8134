#!/bin/busybox sh
# The guest's first process: the host's root over 9p under a tmpfs overlay, then the command that the host left in the
# shared folder; its output and exit status go back there, and the machine goes off. With units in that folder, systemd
# takes over, and does that (guest.py); of this machine's own units nothing is started that nobody asks for.
B=/bin/busybox
$B mount -t devtmpfs dev /dev
$B mount -t proc proc /proc
for n in 0:stdin 1:stdout 2:stderr; do $B ln -s "/proc/self/fd/${n%:*}" "/dev/${n#*:}"; done
$B ln -s /proc/self/fd /dev/fd
$B mount -t sysfs sys /sys
while read -r module; do $B insmod "/modules/$module" || echo "insmod $module failed"; done </modules/order

value() { $B sed -n "s/.*$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
OUT=$(value tinymux.out)
RIG=$(value tinymux.rig)
P9=trans=virtio,version=9p2000.L,msize=512000

$B mkdir -p /lower /upper /root
$B mount -t 9p -o $P9,ro,cache=loose,access=any root /lower
$B mount -t tmpfs upper /upper
$B mkdir /upper/files /upper/work
$B mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /root
for fs in proc sys dev; do $B mount --move /$fs /root/$fs; done
$B mkdir -p /root/dev/pts /root/dev/shm "/root$OUT"
$B mount -t devpts pts /root/dev/pts
$B mount -t tmpfs shm /root/dev/shm
$B mount -t tmpfs run /root/run
$B mount -t 9p -o $P9,cache=none out "/root$OUT"
$B ip link set lo up

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
if [ -e "/root$OUT/units" ]; then
    $B mkdir -p /root/run/systemd
    $B cp -r "/root$OUT/units" /root/run/systemd/system
    $B rm -rf /root/lib/systemd/system/*.wants /root/etc/systemd/system/*.wants /root/lib/systemd/system-generators
    exec $B switch_root /root /lib/systemd/systemd --unit=rig.service --show-status=0
fi
export TINYMUX_GUEST="$OUT" TINYMUX_RIG="$RIG"
$B chroot /root /bin/sh "$OUT/command" </root/dev/null >"/root$OUT/log" 2>&1
echo $? >"/root$OUT/status"
$B sync
$B poweroff -f
