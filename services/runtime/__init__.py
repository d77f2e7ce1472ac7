"""The engine: hosts every processor on Kafka so that nothing is lost, doubled or decided without its log."""
