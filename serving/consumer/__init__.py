"""Process that brings new events into the online features of the kept releases."""
