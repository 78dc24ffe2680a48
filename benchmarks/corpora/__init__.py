"""Events as real senders write them, made from a seed: README.md describes each corpus.

`bodies.Bodies` makes the bodies of requests from the senders in `corpus` and their events in
`events`. The benchmarks send them, and the property test of the fast path reads them.
"""
