"""Who runs which step: learned from what groups commit and what then comes out, and its balance."""
