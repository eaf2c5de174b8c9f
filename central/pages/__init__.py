"""Central's pages: room board, day lists, one order; drawn on the server, live by events, usable without JavaScript."""
