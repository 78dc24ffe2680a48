"""The rules of events: bytes to events in their stored form, or to a list of every problem.

`reader.EventReader` is the entry point; `outcomes` has what it returns, `fields` the table of
fields, `times` and `ids` what others need for clocks and ids. EVENTS.md describes the rules.
Nothing here knows of HTTP, the journal, the store or the settings: limits, the clock and the source
of ids are passed in.
"""
