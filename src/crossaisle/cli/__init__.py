"""The command line: one file a command; parse, call, print. Heavy rooms are imported inside the commands, so that help is quick."""
