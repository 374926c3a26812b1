"""Publishes notifications in CBOR, on a port that it chooses and prints, until its input ends."""

import sys
import threading

import cbor2
import zmq

publisher = zmq.Context.instance().socket(zmq.XPUB)
port = publisher.bind_to_random_port("tcp://127.0.0.1")
print(port, flush=True)

wanted = {b"info", b"warn", b"warning", b"error", b"critical"}
while wanted:
    subscription = publisher.recv()
    assert subscription[0] == 1, subscription
    wanted = {topic for topic in wanted if not topic.startswith(subscription[1:]) and topic != b"warn"}

for row in range(100):
    event = {"event": f"row {row}", "level": "info", "rows": row, "ratio": 0.5, "ok": True, "none": None}
    publisher.send_multipart([b"info", cbor2.dumps([2, "info", [event]])])
publisher.send_multipart([b"debug", cbor2.dumps([2, "debug", [{"event": "not asked for"}]])])
publisher.send_multipart([b"info", b"\xff no cbor"])
publisher.send_multipart([b"info"])
critical = {"event": "at the end", "exception": "Traceback\n  ValueError", "timestamp": "2026-11-20T10:00:00.000001Z"}
publisher.send_multipart([b"critical", cbor2.dumps([2, "critical", [critical]])])

threading.Thread(target=sys.stdin.read).run()
publisher.close(linger=1000)
