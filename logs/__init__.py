"""Logging: events with fields, their formats, and an output that never blocks the event loop.

Every package may import `events.get_logger`, and `secrets`, which makes texts from outside fit to
be shown. Only the composition roots import `setup.configure`, which decides on level, format and
stream; `formats` and `sink` are its parts. Nothing here knows which events there are, or imports
any other package of the project.
"""
