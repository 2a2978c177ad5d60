"""Locust's users: REST, WebSocket and gRPC. Closed loop, so their latencies flatter a slow service; see `open_loop`."""
