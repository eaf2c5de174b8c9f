"""The desk on the box: what a receptionist does here, on what the box's own store holds, whether or not central answers."""
