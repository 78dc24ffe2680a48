"""HTTP/1.1 over sockets, below Tornado's request handlers.

`server` accepts connections, `connection` takes one through its requests, `parser` reads them and
`activity` knows who is connected. Others may import `Activity`, `CollectorServer`,
`connection_limit`, `encode_head` and the port `ErrorResponses`. Nothing in here knows an event,
a route, a setting or the form of an error: what it sends by itself is given to it.
"""
