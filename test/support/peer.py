"""Another program that uses a database: one connection, told what to do in lines of JSON. See peer.ts."""

import json
import os
import select
import sqlite3

commands = open(0, "rb", buffering=0)
connection = None


def say(value):
    os.write(1, (json.dumps(value) + "\n").encode())


def row(cells):
    return [cell.hex() if isinstance(cell, bytes) else cell for cell in cells]


def run(statements):
    rows = []
    for statement in statements:
        rows = [row(cells) for cells in connection.execute(statement).fetchall()]
    return rows


def over_and_over(statements):
    """Until the next line comes. A statement that is refused begins the round anew."""
    counts = {"done": 0, "refused": 0, "messages": []}
    say("hammering")
    while not select.select([commands], [], [], 0)[0]:
        try:
            for statement in statements:
                connection.execute(statement).fetchall()
            counts["done"] += 1
        except sqlite3.Error as error:
            counts["refused"] += 1
            if str(error) not in counts["messages"]:
                counts["messages"].append(str(error))
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    commands.readline()
    return counts


def visit(path, statements):
    """Opens, asks and closes, until the next line comes."""
    counts = {"done": 0, "refused": 0, "messages": []}
    say("visiting")
    while not select.select([commands], [], [], 0)[0]:
        try:
            visitor = sqlite3.connect(path, timeout=0.2, isolation_level=None)
            for statement in statements:
                visitor.execute(statement).fetchall()
            counts["done"] += 1
        except sqlite3.Error as error:
            counts["refused"] += 1
            if str(error) not in counts["messages"]:
                counts["messages"].append(str(error))
        finally:
            visitor.close()
    commands.readline()
    return counts


say("ready")
for line in iter(commands.readline, b""):
    request = json.loads(line)
    try:
        if "open" in request:
            connection = sqlite3.connect(request["open"], timeout=request["timeout"], isolation_level=None)
            say([])
        elif "hammer" in request:
            say(over_and_over(request["hammer"]))
        elif "visit" in request:
            say(visit(request["visit"], request["statements"]))
        elif "run" in request:
            say(run(request["run"]))
        else:
            connection.close()
            say([])
    except sqlite3.Error as error:
        say({"error": str(error)})
