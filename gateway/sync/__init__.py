"""The box's end of the line: what it must tell central, what central told it, and the loop that carries both."""
