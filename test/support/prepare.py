"""What SQLite itself takes for one statement: sqlite3_prepare_v2 of libsqlite3, and where it stopped reading (pzTail).

The first line of standard input is a script that makes a schema. Each further line is a JSON string, a script; the answer
is a line of JSON: {"ends": [...], "error": null or a message}. The ends are the offsets, in UTF-16 units, behind each
statement up to the first one that SQLite refuses. Statements are prepared and not run.
"""

import ctypes
import ctypes.util
import json
import sys


def load():
    for name in ("libsqlite3.so.0", ctypes.util.find_library("sqlite3"), "libsqlite3.dylib"):
        try:
            if name:
                return ctypes.CDLL(name)
        except OSError:
            pass
    sys.exit("no libsqlite3 found")


lib = load()
lib.sqlite3_errmsg.restype = ctypes.c_char_p
db = ctypes.c_void_p()
if lib.sqlite3_open(b":memory:", ctypes.byref(db)) != 0:
    sys.exit("libsqlite3 cannot open a database in memory")


def message():
    return lib.sqlite3_errmsg(db).decode("utf-8", "replace")


if lib.sqlite3_exec(db, json.loads(sys.stdin.readline()).encode(), None, None, None) != 0:
    sys.exit(message())


def ends_of(script):
    start = ctypes.create_string_buffer(script.encode())
    at = address = ctypes.addressof(start)
    ends = []
    while True:
        statement, tail = ctypes.c_void_p(), ctypes.c_void_p()
        rc = lib.sqlite3_prepare_v2(db, ctypes.c_void_p(at), -1, ctypes.byref(statement), ctypes.byref(tail))
        if rc != 0:
            return {"ends": ends, "error": message()}
        if not statement:
            return {"ends": ends, "error": None}
        lib.sqlite3_finalize(statement)
        at = tail.value
        ends.append(len(start.raw[: at - address].decode().encode("utf-16-le")) // 2)


print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(ends_of(json.loads(line))), flush=True)
