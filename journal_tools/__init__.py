"""Command line tools for a journal directory: list, verify, export, ship, check.

`python -m journal_tools` runs them; `server.py --check` uses `check`. `ls`, `verify` and `export`
change nothing and work while a server runs; `ship` takes the directory's lock. The tools stand on
`storage`, and must not know HTTP or the rules for events.
"""
