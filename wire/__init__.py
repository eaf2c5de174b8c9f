"""What gateway and central agreed on; imports nothing of ours."""
