"""Clients of Syncline that contend for a document; each is a process."""
