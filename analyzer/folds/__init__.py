"""Expectations about many flows at once: each is a pure fold over the stored events of a window."""
