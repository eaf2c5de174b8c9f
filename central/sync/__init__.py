"""Central's end of the line: the feed down, facts up, jobs, holds, and the boxes that may call."""
