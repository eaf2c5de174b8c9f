"""What any of our programs needs to live on a machine; nothing about hotels."""
