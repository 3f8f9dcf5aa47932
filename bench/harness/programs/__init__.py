"""Programs whose clients contend for one document of Syncline."""
