"""The head of a batch of records, as it lies in a log."""

import struct

HEAD = struct.Struct(">qiiBIhiqqqhii")
"""Base offset, length, epoch, format, checksum, attributes, last offset's distance, two timestamps,
producer, its epoch and sequence, how many records."""
BEFORE_LENGTH_COUNTS = 12
CONTROL, TRANSACTIONAL = 0x20, 0x10
"""Attributes: a marker of a transaction; records of one."""
