"""HTTP/1.1 over sockets, below Tornado's request handlers.

`server` accepts connections, `connection` takes one through its requests, `parser` reads them,
`activity` knows who is connected and `watchdog` limits their time. Others may import `Activity`,
`CollectorServer`, `TimeLimits`, `connection_limit`, `encode_head` and the port `ErrorResponses`.
No module knows an event, a route, a setting or the form of an error: they are given what they send.
"""
