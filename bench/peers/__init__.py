"""The other servers: what each is made of, how it is started, and how its clients speak."""
