"""The box's end of the line to central: journal, link, snapshot."""
