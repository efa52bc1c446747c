"""What a server logs, and where it is seen, whatever logging the application sets up."""
