"""Faults: processes killed, disks that fail, an upstream that lies, clocks that jump.

Whatever happens, what was answered 2xx arrives, in order an alert, and once if its answer was heard.
"""
