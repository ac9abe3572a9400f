"""The small world that the embedded default is made of: what it looks like, and how its models were
trained.
"""
