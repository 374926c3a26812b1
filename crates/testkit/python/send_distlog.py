"""Logs as a program does that uses distlog: a task with two subtasks, one of which fails, to a PULL socket."""

import logging
import sys

from distlog import JSONFormatter, LogRecord, ZmqHandler, task, to


def main(port):
    logging.setLogRecordFactory(LogRecord)
    handler = ZmqHandler(f"tcp://127.0.0.1:{port}")
    handler.setFormatter(JSONFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with task("load %s", "orders", user="ada") as job:
        logging.debug("it begins")
        with to("read", table="orders") as read:
            logging.info("500 rows")
            read.success("read %d rows", 500)
        try:
            with to("write"):
                logging.warning("slow\nvery slow")
                raise ValueError("no room")
        except ValueError:
            pass
        job.success("loaded")
    handler.socket.close(linger=10_000)
    handler.context.term()


main(sys.argv[1])
