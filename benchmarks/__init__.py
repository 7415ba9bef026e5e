"""How fast, on what machine, against what: `make bench` measures and writes RESULTS.md beside this file.

Everything runs on loopback with temporary databases. Rates of the platform and of a bare ASGI endpoint come from the
same run and the same load generator (`wrk`), because a rate alone says more about the machine than about the program.
"""
