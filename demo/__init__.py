"""The small world of the demo: how it looks, and how its models were trained."""
