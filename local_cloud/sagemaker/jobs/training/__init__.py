"""Training jobs in script mode; each host is a process of the program with its own group."""
