"""A second judge, written only for the tests, from the sentences of the language alone.

It shares no code with the first: loops over all events, nothing remembered, rules as they are
written in their files. Where the two disagree, one of them has not read the language right.
"""
