"""One file per device kind: a pure codec and a small driver."""
