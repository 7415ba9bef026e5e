"""The machine, without healthcare words: storage, queues, money movements, access, HTTP."""
