"""Deduplication of events by the ids that clients give.

`Deduplicator` appends events to the journal and reports duplicates; `IdWindow` holds recent ids in
memory, `IdLog` on disk, beyond the delivery of their segments; `load_ids` fills both at start.
This package stands on `storage.journal`, and must not know delivery or stores.
"""
