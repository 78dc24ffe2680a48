"""Durable storage and delivery: from accepted events to objects in the store.

`journal` makes events durable, `dedup` recognizes duplicates, `delivery` ships sealed segments,
`stores` puts objects; `opening` puts them together. The composition roots (`server`,
`collector`, `journal_tools`) import from all of it, handlers only `refusals`. Nothing here knows
HTTP, the settings or the rules for events; only `filesystem` opens, syncs and renames files.
"""
