"""Two network devices, near and far, and a bad road between them: packets are lost, late, doubled and overtaken by chance.

    shape_packets.py SEED LOST DOUBLED LATE

LOST and DOUBLED are shares, LATE is a time in seconds, the mean one. It ends when its input does, and says what became of packets.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

INPUT = 0
MOST_BYTES = 65536


def device(name):
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


class Road:
    def __init__(self, lost, doubled, late):
        self.lost, self.doubled, self.late = lost, doubled, late
        self.waiting = []
        self.counts = dict.fromkeys(["carried", "lost", "doubled", "overtaken"], 0)
        self.number = 0
        self.newest = {}

    def take(self, packet, to):
        if random.random() < self.lost:
            self.counts["lost"] += 1
            return
        doubled = random.random() < self.doubled
        self.counts["doubled"] += doubled
        for _ in range(1 + doubled):
            due = time.monotonic() + random.expovariate(1 / self.late)
            heapq.heappush(self.waiting, (due, self.number, to, packet))
        self.number += 1

    def deliver(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, number, to, packet = heapq.heappop(self.waiting)
            self.counts["carried"] += 1
            self.counts["overtaken"] += number < self.newest.get(to, 0)
            self.newest[to] = max(number, self.newest.get(to, 0))
            try:
                os.write(to, packet)
            except OSError:
                # Nobody has switched that end on yet, or it is gone.
                self.counts["lost"] += 1

    def pause(self):
        return max(0, self.waiting[0][0] - time.monotonic()) if self.waiting else None


def main():
    random.seed(int(sys.argv[1]))
    road = Road(*map(float, sys.argv[2:5]))
    near, far = device("near"), device("far")
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([near, far, INPUT], [], [], road.pause())
        if INPUT in ready and not os.read(INPUT, MOST_BYTES):
            break
        for end, to in ((near, far), (far, near)):
            if end in ready:
                road.take(os.read(end, MOST_BYTES), to)
        road.deliver()
    print(", ".join(f"{count} {what}" for what, count in road.counts.items()), flush=True)


main()
