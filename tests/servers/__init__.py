"""Real servers on loopback for the tests: ``python -m tests.servers make test`` starts what this
machine has, names each in the environment, runs the command, and stops them again."""
