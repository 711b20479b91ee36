"""The command line's verbs that are more than a call: each reads its arguments and does one thing for people."""
