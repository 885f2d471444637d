"""The programs that are run against each other."""
