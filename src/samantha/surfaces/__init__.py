"""Where people and programs meet the companion. A surface shows the stream of events and adds nothing to it."""
