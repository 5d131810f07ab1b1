"""An application beside Lockkeeper: writes rows through Python's sqlite3, and logs elsewhere what it was told is committed.

    writer.py NAME DATABASE LEDGER wal|rollback PAUSE_MS

Its standard input says `go`, `pause` or `end`, a line each. In rollback mode its connection stays open; in WAL mode it is
closed after a few transactions, since an idle one counts as in use. The ledger: see ledger.ts.
"""

import os
import select
import sqlite3
import sys

name, path, ledger, mode, pause = sys.argv[1:]
pause = float(pause) / 1000
log = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
commands = open(0, "rb", buffering=0)
connection = None
acknowledged = 0
rounds = 0


def say(word):
    os.write(1, (word + "\n").encode())


def forget_connection():
    global connection
    if connection is not None:
        connection.close()
    connection = None


def transaction():
    global connection, acknowledged, rounds
    rounds += 1
    last = acknowledged + 1 + rounds % 3
    os.write(log, f"try {last}\n".encode())
    try:
        if connection is None:
            connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        for n in range(acknowledged + 1, last + 1):
            body = f"{name}:{n}:" + "." * (n * 7919 % 61)
            row = connection.execute("INSERT INTO entries (writer, n, body) VALUES (?, ?, ?)", (name, n, body))
            connection.execute("INSERT INTO details (entry_id, body) VALUES (?, ?)", (row.lastrowid, n))
        connection.execute("COMMIT")
        os.write(log, f"ok {last}\n".encode())
        acknowledged = last
    except sqlite3.Error as error:
        try:
            if connection is not None and connection.in_transaction:
                connection.execute("ROLLBACK")
            os.write(log, f"no {error}\n".encode())
        except sqlite3.Error:
            forget_connection()
            os.write(log, f"no {error}\n".encode())
    if mode == "wal" and rounds % 3 == 0:
        forget_connection()


say("ready")
running = False
while True:
    if not running and mode == "wal":
        forget_connection()
    if select.select([commands], [], [], pause if running else None)[0]:
        word = commands.readline().decode().strip()
        if word in ("end", ""):
            break
        running = word == "go"
        if not running:
            if mode == "wal":
                forget_connection()
            say("paused")
    if running:
        transaction()
