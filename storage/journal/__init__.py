"""The journal: segments on the local disk (`storage/FORMAT.md`).

`Journal` makes events durable, `recover` repairs a directory after a crash, `Backlog` lists the
sealed segments, `scan` reads a segment, `JournalDirectory` names the files. An event is a line of
bytes here: the journal must not know its fields, object keys, deduplication or stores.
"""
