"""The services of leadloop, one room each; `runtime` is the only one that knows Kafka and Faust."""
