"""HTTP/1.1 over sockets, below Tornado's request handlers.

`server` accepts connections, `connection` takes one through its requests, `parser` reads them,
`activity` knows who is connected and `watchdog` limits their time. Others may import `Activity`,
`CollectorServer`, `HandlerConnection`, `TimeLimits`, `connection_limit`, `encode_head`, and the
ports `ErrorResponses` and `DirectWay`. No module knows an event, a route or a setting.
"""
