"""The embedded network, and how it was learned."""
